"""Prove that the tests guard the guarantees (`make mutants`): break each on purpose, and see a test fail.

Each mutant of scripts/mutants_table.py is one change of one file that takes a promise back. It is made in a copy of the
checkout, and the tests that stand for the promise are run there. A mutant that they let pass is a hole in the tests.

    python -m scripts.mutants [--list] [--only NAME …]

Files that git does not know yet are copied too, ignored ones are not; the checkout itself is only read.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.mutants_table import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 180
TAIL_LINES = 15
PYTEST = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "", "-p", "no:cacheprovider"]
MARK = "MUTANT_COPY"  # in the environment of all that a run starts, however far it goes from its parents
# What would have the tests look elsewhere than at their own copy, or run otherwise than said here.
UNWANTED = ("TEST_DATABASE", "DJANGO_SETTINGS_MODULE", "VAR_DIR", "PYTEST_ADDOPTS", "PYTHONPYCACHEPREFIX")

# A mutant that can not even run fails every test, and so proves nothing about any.
NONSENSE = re.compile(r"psycopg\.errors\.(?:SyntaxError|Undefined\w+|DatatypeMismatch)|\b(?:NameError|ImportError): ")
KILLER = re.compile(r"^(?:FAILED|ERROR) \S+::(\w+)", re.MULTILINE)
PROBE = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import docqueue
print(docqueue.__file__)
for method in ("spawn", "forkserver"):
    with ProcessPoolExecutor(1, mp_context=get_context(method)) as pool:
        print(pool.submit(eval, "__import__('docqueue').__file__").result())
"""
HOLD_SERVER = """
import sys
from config.embedded_postgres import ensure_running
print(ensure_running(), flush=True)
sys.stdin.read()
"""


class Stale(Exception):
    """The text that a mutant replaces is not in its file exactly once: the code has changed since."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the tests said of a mutant: killed, SURVIVED, or broken, when they could not tell. `words`: by what."""

    name: str
    words: str
    output: str = ""


def mutated(text: str, mutant: Mutant) -> str:
    """The text of the mutant's file with its change. Raises `Stale`."""
    if (count := text.count(mutant.old)) != 1:
        raise Stale(f"{mutant.name}: its old text occurs {count} times in {mutant.file}, not once")
    return text.replace(mutant.old, mutant.new)


def copy_checkout(root: Path, target: Path) -> None:
    """Copy what git knows of the checkout, as it is now, and what it would know after `git add`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():  # else deleted meanwhile, and not yet by git
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def environment(copy: Path, temporary: Path) -> dict[str, str]:
    """The environment of a run: every process that comes of it imports the copy, and leaves nothing elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    kept.setdefault("EMBEDDED_POSTGRES_DIR", str(copy.parent / "postgres"))  # one server for all runs
    return kept | {"PYTHONPATH": str(copy), MARK: str(copy), "TMPDIR": str(temporary)}


@contextlib.contextmanager
def server(copy: Path) -> Iterator[None]:
    """Keep the embedded PostgreSQL up between two runs: it ends with its last user."""
    env = environment(copy, copy.parent)
    if env.get("DATABASE_URL"):
        yield
        return
    del env[MARK]  # its keeper must outlive each run
    command = [sys.executable, "-c", HOLD_SERVER]
    with subprocess.Popen(command, cwd=copy, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            if not holder.stdout.readline():
                raise SystemExit("The embedded PostgreSQL did not start.")
            yield
        finally:
            holder.stdin.close()
            holder.wait(60)
            stop = [sys.executable, "-m", "config.embedded_postgres", "stop"]
            if env["EMBEDDED_POSTGRES_DIR"] != os.environ.get("EMBEDDED_POSTGRES_DIR"):  # else others may use it
                subprocess.run(stop, cwd=copy, env=env, stdout=subprocess.DEVNULL, check=False)


def check_imports(copy: Path) -> None:
    """Make sure that a run imports its own copy, also in processes that it starts."""
    command = [sys.executable, "-c", PROBE]
    env = environment(copy, copy.parent)
    found = subprocess.run(command, cwd=copy.parent, env=env, stdout=subprocess.PIPE, check=True, text=True).stdout
    wrong = [line for line in found.split() if not Path(line).is_relative_to(copy)]
    if wrong or len(found.split()) != 3:
        raise SystemExit(f"The tests would not import the copy in {copy}, but {wrong}: is docqueue installed?")


def run_tests(copy: Path, tests: str) -> tuple[int | None, str]:
    """Run a selection in a copy. Returns pytest's exit code (None: it had to be ended) and what it said."""
    with tempfile.TemporaryDirectory(prefix="t", dir=copy.parent) as temporary, (copy / "output").open("w+") as output:
        Path(temporary).chmod(0o755)
        env = environment(copy, Path(temporary))
        process = subprocess.Popen(
            [*PYTEST, *shlex.split(tests)],
            cwd=copy, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        code = None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(TIMEOUT_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            end_those_of(copy)
        output.seek(0)
        return code, output.read()


def end_those_of(copy: Path) -> None:
    """End what a run has left behind, such as workers in sessions of their own. (Where there is no /proc: nothing.)"""
    mark = f"{MARK}={copy}\0".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            if mark in (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


def judge(code: int | None, output: str) -> Verdict:
    """What pytest's exit code and words say of a mutant."""
    killers = KILLER.findall(output)
    if code is None:
        return Verdict(name="killed", words=f"by the timeout of {TIMEOUT_SECONDS} s")
    if code == 0:
        return Verdict(name="SURVIVED", words="all of its tests passed", output=output)
    if nonsense := NONSENSE.search(output):
        return Verdict(name="broken", words=f"it can not run: {nonsense[0]}", output=output)
    if code != 1 or not (killers or "Timeout" in output):
        return Verdict(name="broken", words=f"pytest ended with exit code {code}", output=output)
    return Verdict(name="killed", words=f"by {killers[0]}" if killers else "by a test that hung")


def try_mutant(mutant: Mutant, pristine: Path, baselines: dict[str, Verdict | None]) -> Verdict:
    """Run the mutant's tests, without it if they were not yet (`baselines`: what spoke against them), then with it."""
    if mutant.tests not in baselines:
        code, output = run_tests(pristine, mutant.tests)
        fault = Verdict(name="broken", words=f"its tests fail without it (exit code {code})", output=output)
        baselines[mutant.tests] = None if code == 0 else fault
    if (against := baselines[mutant.tests]) is not None:
        return against
    # A copy of its own for each: compiled files are known by second and size, and a mutant may have both of another.
    copy = Path(tempfile.mkdtemp(prefix="m", dir=pristine.parent))
    copy.chmod(0o755)
    try:
        copy_checkout(ROOT, copy)
        file = copy / mutant.file
        try:
            file.write_text(mutated(file.read_text(encoding="utf-8"), mutant), encoding="utf-8")
        except Stale as stale:
            return Verdict(name="broken", words=f"stale: {stale}")
        return judge(*run_tests(copy, mutant.tests))
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def try_all(mutants: Sequence[Mutant]) -> dict[str, Verdict]:
    """Try each and say so. Returns the verdicts by name."""
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # an unprivileged account runs the server when we are root
        pristine = Path(folder) / "pristine"
        copy_checkout(ROOT, pristine)
        check_imports(pristine)
        baselines: dict[str, Verdict | None] = {}
        verdicts: dict[str, Verdict] = {}
        width = max(len(mutant.name) for mutant in mutants)
        with server(pristine):
            for mutant in mutants:
                began = time.monotonic()
                verdict = verdicts[mutant.name] = try_mutant(mutant, pristine, baselines)
                seconds = time.monotonic() - began
                print(f"{verdict.name:<8} {mutant.name:<{width}} {seconds:5.1f} s  {verdict.words}", flush=True)
                for line in verdict.output.splitlines()[-TAIL_LINES:]:
                    print(f"    {line}")
                if verdict.name != "killed":
                    print(f"    {mutant.why}  (pytest {mutant.tests})", flush=True)
        return verdicts


def summary(verdicts: Mapping[str, Verdict], seconds: float) -> str:
    """How many there were of each, and the names of those that were not killed."""
    left = {kind: [n for n, v in verdicts.items() if v.name == kind] for kind in ("SURVIVED", "broken")}
    killed = len(verdicts) - sum(map(len, left.values()))
    lines = [f"{kind}: {', '.join(names)}" for kind, names in left.items() if names]
    return "\n".join([f"{killed} of {len(verdicts)} mutants killed in {seconds:.0f} s", *lines])


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: every mutant was killed."""
    parser = argparse.ArgumentParser(prog="make mutants", description="Break each guarantee; a test must fail.")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these mutants")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    options = parser.parse_args(arguments)
    known = {mutant.name: mutant for mutant in MUTANTS}
    if unknown := [name for name in options.only or () if name not in known]:
        parser.error(f"there is no mutant {', '.join(unknown)}; --list names them all")
    chosen = [known[name] for name in options.only] if options.only else list(MUTANTS)
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name}\n    {mutant.file}: {mutant.why}\n    pytest {mutant.tests}")
        return 0
    began = time.monotonic()
    verdicts = try_all(chosen)
    print(summary(verdicts, time.monotonic() - began))
    return int(any(verdict.name != "killed" for verdict in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())

"""`make semantics`: the tests that docs/semantics.md names, on PostgreSQL 15 (Debian's) and on the embedded 18.

PostgreSQL 15 runs in a folder that vanishes, on a free port of the loopback, as an account that is not root. Options
behind `--` go to pytest.
"""

from __future__ import annotations

import argparse
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "semantics.md"
DEBIAN = Path("/usr/lib/postgresql")
ACCOUNT = "postgres"


def files() -> list[str]:
    """The test files that the page names, and those of the tests that it names."""
    page = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    found = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        defined = set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
        if defined & named:
            found.add(str(path.relative_to(ROOT)))
    return sorted(found)


@contextmanager
def debian(major: int) -> Iterator[str]:
    """A server of Debian's package for the length of the block; its DATABASE_URL."""
    programs = DEBIAN / str(major) / "bin"
    if not (programs / "postgres").exists():
        sys.exit(f"PostgreSQL {major} is not installed: apt-get install postgresql-{major}")
    account = ACCOUNT if os.geteuid() == 0 else None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="docqueue-semantics-"))
    try:
        if account:
            found = pwd.getpwnam(account)
            os.chown(folder, found.pw_uid, found.pw_gid)
        data = folder / "data"
        options = (
            f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=200"
        )

        def tell(*command: object) -> None:
            subprocess.run([str(c) for c in command], check=True, user=account, cwd=folder, stdout=subprocess.DEVNULL)

        tell(programs / "initdb", "-D", data, "-U", "docqueue", "-A", "trust", "-E", "UTF8", "--no-locale")
        tell(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://docqueue@127.0.0.1:{port}/postgres"
        finally:
            tell(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(name: str, env: dict[str, str], more: list[str]) -> int:
    """Run the tests; pytest's exit code."""
    print(f"\n== {name}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *files(), *more]
    return subprocess.run(command, cwd=ROOT, env=os.environ | env, check=False).returncode


def main() -> int:
    """1 when a test fails on either."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("15", "18"), help="on one of them alone")
    given, more = parser.parse_known_args()
    codes = []
    if given.only != "15":
        codes.append(run("PostgreSQL 18, embedded", {"DATABASE_URL": ""}, more))
    if given.only != "18":
        with debian(15) as url:
            codes.append(run("PostgreSQL 15, Debian's", {"DATABASE_URL": url}, more))
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())

"""The mutants of `make mutants` still fit the code and the tests that they name; how a run of them is judged."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from scripts import mutants
from scripts.mutants_table import MUTANTS, Mutant

EACH = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


def a_mutant(old: str, new: str = "") -> Mutant:
    return Mutant("one", "a.py", old, new, "tests/test_a.py", "It matters.")


@EACH
def test_the_text_that_a_mutant_replaces_is_in_its_file_exactly_once(mutant: Mutant, root: Path) -> None:
    text = (root / mutant.file).read_text(encoding="utf-8")
    changed = mutants.mutated(text, mutant)
    assert changed != text
    if mutant.file.endswith(".py"):  # in a child process a mistake would look like a mutant that was killed
        compile(changed, mutant.file, "exec")


@EACH
def test_a_mutant_names_tests_that_exist_and_says_why_it_matters(mutant: Mutant, root: Path) -> None:
    files, _, word = mutant.tests.partition(" -k ")
    names = [
        name
        for file in shlex.split(files)
        for name in re.findall(r"^ *def (test_\w+)", (root / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]
    assert re.fullmatch(r"\w*", word), "one word of the name, so that this test understands it"
    assert [name for name in names if word in name]
    assert mutant.why.endswith(".")


def test_no_two_mutants_have_one_name() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)


def test_a_mutant_whose_text_is_gone_or_no_longer_alone_is_stale() -> None:
    assert mutants.mutated("x = 1\n", a_mutant("1", "2")) == "x = 2\n"
    for text in ("x = 3\n", "x = 1 + 1\n"):
        with pytest.raises(mutants.Stale, match="one: its old text occurs"):
            mutants.mutated(text, a_mutant("1", "2"))


FAILED = "FAILED tests/test_a.py::test_it_holds[1] - assert 1 == 2\n"


@pytest.mark.parametrize(
    ("code", "output", "verdict", "words"),
    [
        (1, FAILED, "killed", "by test_it_holds"),
        (1, "+++ Timeout +++", "killed", "by a test that hung"),
        (None, "", "killed", "by the timeout"),
        (0, "1 passed", "SURVIVED", "all of its tests passed"),
        (1, "INTERNALERROR", "broken", "exit code 1"),
        (2, "ERROR collecting", "broken", "exit code 2"),
        (5, "no tests ran", "broken", "exit code 5"),
        (1, FAILED + "E  psycopg.errors.SyntaxError: near", "broken", "can not run"),
        (1, FAILED + "E  NameError: name 'x' is not defined", "broken", "can not run"),
    ],
)
def test_only_a_test_that_failed_or_hung_kills_a_mutant(code, output, verdict, words) -> None:
    found = mutants.judge(code, output)
    assert found.name == verdict
    assert words in found.words


def test_the_summary_names_whatever_was_not_killed() -> None:
    verdicts = {name: mutants.judge(code, "") for name, code in {"a": None, "b": 0, "c": 3, "d": 0}.items()}
    assert mutants.summary(verdicts, 12.3) == "1 of 4 mutants killed in 12 s\nSURVIVED: b, d\nbroken: c"


def test_a_copy_has_what_git_knows_and_what_it_would_know_and_nothing_that_it_ignores(tmp_path: Path) -> None:
    checkout, copy = tmp_path / "checkout", tmp_path / "copy"
    checkout.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    for name in (".gitignore", "known.py", "gone.py", "new.py", "ignored.py"):
        (checkout / name).write_text("ignored.py\n")
    subprocess.run(["git", "add", ".gitignore", "known.py", "gone.py"], cwd=checkout, check=True)
    (checkout / "gone.py").unlink()
    mutants.copy_checkout(checkout, copy)
    assert sorted(path.name for path in copy.iterdir()) == [".gitignore", "known.py", "new.py"]

"""What differs between the table and what the system made of the files. Knows no database: it compares values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.corpus.table import Expected

COMPLETED_NO_TEXT = "completed_no_text"
LEAST_PERCENT = 90


@dataclass(frozen=True, kw_only=True)
class Found:
    """What became of one file. `pages` are those of this very document that its phrase is found on."""

    outcome: str
    code: str = ""
    sha256: str = ""
    pages: frozenset[int] = frozenset()

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.outcome or "unfinished", self.code)))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One file that is not as the table says."""

    path: str
    expected: str
    found: str


def differences(rows: Sequence[Expected], disk: Mapping[str, str], found: Mapping[str, Found]) -> Iterator[Difference]:
    """Every difference, in the order of the table; at the end what the table does not know."""
    for row in rows:
        if row.uploaded and row.path not in disk:
            yield Difference(path=row.path, expected="a file in the folder", found="there is none")
        elif row.uploaded and disk[row.path] != row.sha256:
            yield Difference(path=row.path, expected=f"sha256 {row.sha256[:12]}…", found=f"{disk[row.path][:12]}…")
        elif wrong := _wrong(row, found.get(row.path)):
            yield Difference(path=row.path, expected=str(row), found=wrong)
    known = {row.path for row in rows}
    for path in sorted(disk.keys() - known):
        yield Difference(path=path, expected="a row in the table", found="there is none")
    for path in sorted(found.keys() - disk.keys() - known):
        yield Difference(path=path, expected="a row in the table", found=str(found[path]))


def _wrong(row: Expected, found: Found | None) -> str:
    """What is wrong with what was found; empty when nothing is."""
    if found is None:
        return "no such file came out of it"
    unsure = row.outcome == COMPLETED_NO_TEXT and not row.code
    if found.outcome != row.outcome or (found.code != row.code and not unsure):
        return str(found)
    if row.sha256 and found.sha256 and found.sha256 != row.sha256:
        return f"other bytes, sha256 {found.sha256[:12]}…"
    if row.phrase and not found.pages:
        return f"{found}, but search does not find the phrase in it"
    if row.phrase and row.page not in found.pages:
        return f"{found}, but search finds the phrase on page {', '.join(map(str, sorted(found.pages)))}"
    return ""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How many files of a type there are, and how many ended completed with their phrase, or rightly without text."""

    files: int
    completed: int
    no_text: int

    @property
    def percent(self) -> float:
        """Completed with their phrase, of the files in which there is text to find."""
        with_text = self.files - self.no_text
        return 100 * self.completed / with_text if with_text else 100.0


def scores(rows: Sequence[Expected], wrong: Sequence[Difference], supported: Sequence[str]) -> dict[str, Score]:
    """A score for each supported type, and under the empty name the whole."""
    as_said = {row.path for row in rows} - {difference.path for difference in wrong}
    counts: dict[str, Counter[str]] = {"": Counter()}
    for row in rows:
        if row.type in supported:
            outcome = row.outcome if row.path in as_said else "different"
            for kind in ("", row.type):
                counts.setdefault(kind, Counter())[outcome] += 1
    return {
        kind: Score(files=count.total(), completed=count["completed"], no_text=count[COMPLETED_NO_TEXT])
        for kind, count in sorted(counts.items())
    }


def report(wrong: Sequence[Difference], scored: Mapping[str, Score]) -> str:
    """The differences and the scores, for a person."""
    lines = []
    if wrong:
        lines += ["", f"{len(wrong)} differ from the table:"]
        lines += [f"  {each.path}\n    expected  {each.expected}\n    found     {each.found}" for each in wrong]
    lines += ["", "type     files  completed with phrase  rightly without text"]
    for kind, score in scored.items():
        if kind:
            lines.append(f"{kind:<8} {score.files:5}  {score.completed:21}  {score.no_text:20}")
    whole = scored[""]
    lines.append(f"{'all':<8} {whole.files:5}  {whole.completed:21}  {whole.no_text:20}")
    lines.append(
        f"{whole.completed} of the {whole.files - whole.no_text} files of supported types that hold text are completed "
        f"and found by their phrase: {whole.percent:.1f} % (at least {LEAST_PERCENT} %)."
    )
    return "\n".join(lines)


def passed(wrong: Sequence[Difference], scored: Mapping[str, Score]) -> bool:
    """Whether nothing differs, and enough files of supported types are found by their phrase."""
    return not wrong and scored[""].percent >= LEAST_PERCENT

"""Which files are to be processed anew, and what that would amount to: counted with a bound, and nothing changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from docqueue.validation import storable
from ingestion.errors import InvalidSelection
from ingestion.extract.registry import current_versions
from ingestion.models import IngestFile, Intake, Outcome
from ingestion.reprocess import REPROCESSABLE
from ingestion.unzip_again import ARCHIVE, UNOPENED, UNREAD

COUNTED = 100_000
"""So many files are counted; where there may be more it says "at least"."""
MOST_IDS = 1_000
MOST_CODES = 50
BIGGEST_ID, BIGGEST_VERSION = 2**63 - 1, 2**31 - 1
_IDS = ("documents", "files", "intakes")
_WORDS = ("error_code", "outcome", "type", "extractor")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Files that fit all that is given. `owner` None: those of everybody. With an error code, only failed ones.

    `extractor_version_below`: whose text was taken by an older version of `extractor`; `outdated`: by an older version
    of any extractor (or of `extractor`) than the one in force. Raises `InvalidSelection`.
    """

    owner: int | None = None
    documents: tuple[int, ...] = ()
    files: tuple[int, ...] = ()
    intakes: tuple[int, ...] = ()
    error_code: str = ""
    outcome: str = ""
    type: str = ""
    extractor: str = ""
    extractor_version_below: int | None = None
    outdated: bool = False

    def __post_init__(self) -> None:
        for name in _IDS:
            _check_ids(name, getattr(self, name))
        for name in _WORDS:
            value = getattr(self, name)
            if not isinstance(value, str) or len(value) > 100 or not storable(value):
                raise InvalidSelection(f"{name} must be a word of at most 100 characters.")
        if self.outcome and self.outcome not in Outcome.values:
            raise InvalidSelection(f"outcome must be one of {', '.join(Outcome.values)}.")
        if self.error_code and self.outcome not in ("", Outcome.FAILED):
            raise InvalidSelection("Only failed files have an error code.")
        if not isinstance(self.outdated, bool):
            raise InvalidSelection("outdated must be true or false.")
        version = self.extractor_version_below
        if version is not None and not (_whole(version, BIGGEST_VERSION) and version > 0):
            raise InvalidSelection("extractor_version_below must be a whole number from 1.")
        if version is not None and (self.outdated or not self.extractor):
            raise InvalidSelection("extractor_version_below needs an extractor, and no outdated.")
        if not any(getattr(self, spec.name) for spec in fields(self) if spec.name != "owner"):
            raise InvalidSelection("Say which files: by ids, intake, error code, outcome, type or extractor.")

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Selection:
        """From JSON; the reverse of `as_dict`."""
        known = {spec.name for spec in fields(cls)}
        if unknown := [str(key) for key in given if key not in known]:
            raise InvalidSelection(f"A selection has no {unknown[0]!r}.")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """What was asked for, as JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if value not in (None, "", (), False)
        }

    def condition(self) -> Q:
        """The files, as a condition on `IngestFile`."""
        outcome = self.outcome or (Outcome.FAILED if self.error_code else "")
        asked: dict[str, Any] = {
            "intake__owner": self.owner,
            "document__in": self.documents or None,
            "pk__in": self.files or None,
            "intake__in": self.intakes or None,
            "error_code": self.error_code or None,
            "outcome": str(outcome) or None,
            "document__type": self.type or None,
            "document__extractor": self.extractor or None,
            "document__extractor_version__lt": self.extractor_version_below,
        }
        found = Q(**{key: value for key, value in asked.items() if value is not None})
        return found & outdated(self.extractor, "document__") if self.outdated else found

    def archives(self) -> QuerySet[Intake]:
        """Uploads whose archive has entries among the selected files that failed while it was unzipped.

        And those, named by id, whose archive failed before its entries were known.
        """
        if self._asks_for_documents():
            return Intake.objects.none()
        entries = IngestFile.objects.filter(self.condition(), UNREAD, parent=None)
        found = Q(pk__in=entries.values("intake"))
        if self.intakes and not self.files:
            code = Q(error_code=self.error_code) if self.error_code else ~Q(error_code="")
            found |= Q(code, ~Exists(IngestFile.objects.filter(intake=OuterRef("pk"))), pk__in=self.intakes)
        return Intake.objects.filter(ARCHIVE, found, **({} if self.owner is None else {"owner": self.owner}))

    def inner_archives(self) -> QuerySet[IngestFile]:
        """Archives among the files of uploads that failed and are selected, or that hold such entries."""
        if self._asks_for_documents():
            return IngestFile.objects.none()
        found = IngestFile.objects.filter(self.condition())
        entries = found.filter(UNREAD, parent__isnull=False).values("parent")
        return IngestFile.objects.filter(pk__in=found.filter(UNOPENED).values("pk").union(entries))

    def _asks_for_documents(self) -> bool:
        about = self.documents or self.type or self.extractor or self.outdated
        return bool(about) or self.outcome not in ("", Outcome.FAILED)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What processing a selection anew would be about. With `at_least`, there are more than were counted.

    `reprocessable` files go into the queue, `under_way` ones are in it, `not_reprocessable` ones have no stored
    bytes; `archives` (a thousand at most are counted) would be unzipped again. `bytes` are those of the reprocessable.
    """

    total: int = 0
    at_least: bool = False
    reprocessable: int = 0
    under_way: int = 0
    not_reprocessable: int = 0
    archives: int = 0
    bytes: int = 0
    by_outcome: Mapping[str, int] = field(default_factory=dict)
    by_error_code: Mapping[str, int] = field(default_factory=dict)
    by_extractor: tuple[Mapping[str, Any], ...] = ()


def preview(selection: Selection, *, documents: bool = True, archives: bool = True) -> Preview:
    """Count a selection, in three queries over at most 100,000 files. `documents`, `archives`: what is asked for."""
    found = IngestFile.objects.filter(selection.condition()).values("pk")[: COUNTED + 1]
    kinds = ("outcome", "error_code", "document__type", "document__extractor", "document__extractor_version")
    rows = list(
        IngestFile.objects.filter(pk__in=found)
        .order_by()
        .values(*kinds)
        .annotate(n=Count("pk"), able=Count("pk", filter=REPROCESSABLE), size=Sum("size", filter=REPROCESSABLE))
    )
    total = sum(row["n"] for row in rows)
    able = sum(row["able"] for row in rows) if documents else 0
    under_way = sum(row["n"] for row in rows if not row["outcome"])
    codes = _sums(rows, "error_code")
    return Preview(
        total=min(total, COUNTED),
        at_least=total > COUNTED,
        reprocessable=min(able, COUNTED),
        under_way=under_way,
        not_reprocessable=sum(row["n"] - row["able"] for row in rows if row["outcome"]),
        archives=_archives(selection) if archives else 0,
        bytes=sum(row["size"] or 0 for row in rows) if documents else 0,
        by_outcome={key or "under_way": n for key, n in _sums(rows, "outcome").items()},
        by_error_code={key: n for key, n in [*codes.items()][:MOST_CODES] if key},
        by_extractor=_extractors(rows),
    )


def _archives(selection: Selection) -> int:
    return sum(len(rows.values("pk")[:MOST_IDS]) for rows in (selection.archives(), selection.inner_archives()))


def _sums(rows: Iterable[Mapping[str, Any]], key: str) -> dict[str, int]:
    """How many files have each value, the most frequent first."""
    sums: dict[str, int] = {}
    for row in rows:
        sums[row[key]] = sums.get(row[key], 0) + row["n"]
    return dict(sorted(sums.items(), key=lambda pair: (-pair[1], pair[0])))


def _extractors(rows: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    sums: dict[tuple[str, str, int], int] = {}
    for row in rows:
        if row["document__extractor"]:
            key = (row["document__type"], row["document__extractor"], row["document__extractor_version"])
            sums[key] = sums.get(key, 0) + row["n"]
    return tuple(
        {"type": kind, "extractor": name, "version": version, "files": n}
        for (kind, name, version), n in sorted(sums.items())
    )


def outdated(extractor: str = "", prefix: str = "") -> Q:
    """Documents whose text an older version took than the one in force; `prefix`: where they stand in a query."""
    found = Q(pk__in=())
    for name, version in current_versions().items():
        if not extractor or name == extractor:
            found |= Q(**{f"{prefix}extractor": name, f"{prefix}extractor_version__lt": version})
    return found


def _check_ids(name: str, ids: Any) -> None:
    if not isinstance(ids, tuple) or not all(_whole(pk, BIGGEST_ID) for pk in ids):
        raise InvalidSelection(f"{name} must be a list of ids.")
    if len(ids) > MOST_IDS:
        raise InvalidSelection(f"{name} takes at most {MOST_IDS:,} ids at once.")


def _whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most

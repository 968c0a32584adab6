"""What holds other files: the archive that was uploaded, or an archive or e-mail among an intake's files.

An uploaded archive is described by its intake's row, one inside of it by its own file's row; the verbs are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils.translation import gettext as _

from docqueue.service import ClaimedItem
from ingestion.errors import ExtractedTooLarge, TooManyEntries
from ingestion.lifecycle import blank_run, cancel_file, cancel_files, fail_file, fail_files, newest, reopen_intakes
from ingestion.limits import get_limits
from ingestion.models import Blob, IngestFile, Intake, IntakeStatus, Outcome, Stage

PATH_MAX = 1024


@dataclass(frozen=True)
class Container:
    """An archive of an intake. `file` is None for the one that was uploaded."""

    intake: Intake
    file: IngestFile | None = None

    @property
    def blob(self) -> Blob:
        """Its bytes."""
        blob = self.intake.blob if self.file is None else self.file.blob
        assert blob is not None, "whoever made this looked"
        return blob

    @property
    def item_id(self) -> int | None:
        """The item that unpacks it."""
        return self.intake.item_id if self.file is None else self.file.item_id

    @property
    def depth(self) -> int:
        """How many archives there are around its files, itself included."""
        return 1 if self.file is None else self.file.depth + 1

    def path_of(self, name: str) -> str:
        """What a file in it is called."""
        return (name if self.file is None else f"{self.file.source_path}/{name}")[:PATH_MAX]

    def files(self) -> QuerySet[IngestFile]:
        """The files found in it, without those of archives among them."""
        return IngestFile.objects.filter(intake=self.intake.pk, parent=self.file)

    def untouched(self) -> QuerySet[IngestFile]:
        """Those that nobody has dealt with: no item, no outcome."""
        return self.files().filter(item_id=None, outcome="")

    def started(self, planned_files: int) -> None:
        """Say that its entries are planned: the intake has so many files in all."""
        fields: dict[str, Any] = {"planned_files": Greatest("planned_files", Value(planned_files))}
        if self.file is None:
            fields |= {"status": IntakeStatus.IN_PROGRESS, "stage": Stage.UNZIPPING, "waiting_reason": ""}
        Intake.objects.filter(pk=self.intake.pk).update(**fields)

    def begin(self, claim: ClaimedItem) -> None:
        """Begin its unpacking, or begin again, forgetting how an earlier run ended (a person put its item back)."""
        code = self.intake.error_code if self.file is None else self.file.error_code
        if self.file is None and not code:
            return
        with transaction.atomic():
            reopen_intakes([self.intake.pk])
            if self.file is None:
                blank = {"error_code": "", "error_message": "", "unpacked_at": None, "stage": Stage.UNZIPPING}
                Intake.objects.filter(pk=self.intake.pk).update(**blank)
            else:
                begun = {**blank_run(), "stage": Stage.UNZIPPING, "started_at": Coalesce("started_at", Now())}
                IngestFile.objects.filter(newest(claim), pk=self.file.pk, item_id=claim.id).update(**begun)
            if code:
                refused = self.files().filter(item_id=None, outcome=Outcome.FAILED, error_code=code)
                refused.update(**{**blank_run(), "stage": Stage.PENDING, "percent": 0})

    def ended(self, files: int) -> None:
        """Say that all of its files are in the queue."""
        if self.file is None:
            done = {"unpacked_at": Now(), "stage": Stage.UPLOADING, "percent": 0, "message": ""}
            Intake.objects.filter(pk=self.intake.pk).update(**done)
            return
        IngestFile.objects.filter(pk=self.file.pk, item_id=self.item_id).update(
            stage=Stage.COMPLETED,
            outcome=Outcome.UNPACKED,
            percent=100,
            message="" if files else _("The archive is empty."),
            finished_at=Now(),
        )

    def waits_for(self, reason: str, message: str) -> None:
        """Say what its unpacking waits for, and that it goes on by itself."""
        said = {"waiting_reason": reason, "message": message[:500]}
        if self.file is None:
            Intake.objects.filter(pk=self.intake.pk, unpacked_at=None).update(**said)
        else:
            IngestFile.objects.filter(pk=self.file.pk, item_id=self.item_id, outcome="").update(**said)

    def failed(self, *, code: str, message: str, hint: str = "", claim: ClaimedItem | None = None) -> None:
        """End an unpacking that can not go on: files without an item fail with its code, the others go their way."""
        with transaction.atomic():
            if self.file is None:
                said = {"unpacked_at": Now(), "error_code": code[:100], "error_message": message[:1000]}
                ended = Intake.objects.filter(pk=self.intake.pk, unpacked_at=None).update(**said) > 0
            else:
                at, by = Stage.UNZIPPING, self.item_id
                ended = fail_file(self.file, code=code, message=message, hint=hint, stage=at, item_id=by, claim=claim)
            if ended:
                fail_files(self.untouched(), code=code, message=message, hint=hint, stage=Stage.UNZIPPING)

    def cancelled(self) -> None:
        """End an unpacking that was cancelled: files without an item are cancelled with it."""
        with transaction.atomic():
            if self.file is None:
                Intake.objects.filter(pk=self.intake.pk, unpacked_at=None).update(
                    unpacked_at=Now(), cancel_requested_at=Coalesce("cancel_requested_at", Now())
                )
            else:
                cancel_file(self.file, item_id=self.item_id)
            cancel_files(self.files())


def room_for(intake: Intake, count: int, size: int, *, archive: IngestFile | None) -> int:
    """The number of the first of `count` more files with `size` bytes together, found in `archive`.

    Call it with the intake's row locked. Raises TooManyEntries or ExtractedTooLarge when the archives of the intake
    together would hold more than one archive may.
    """
    found = IngestFile.objects.filter(intake=intake.pk).aggregate(n=Count("pk"), size=Sum("size"), last=Max("ordinal"))
    if archive is not None:
        limits = get_limits()
        if found["n"] + count > limits.max_entries:
            raise TooManyEntries(
                f"With the {count:,} entries of this archive the upload would hold {found['n'] + count:,} files; "
                f"at most {limits.max_entries:,} are accepted (MAX_ENTRIES)."
            )
        if found["size"] + size > limits.max_extracted_bytes:
            raise ExtractedTooLarge(
                f"With the {size:,} bytes of this archive's files those of the upload would be "
                f"{found['size'] + size:,} bytes large; at most {limits.max_extracted_bytes:,} are accepted "
                "(MAX_EXTRACTED_BYTES)."
            )
    return 0 if found["last"] is None else int(found["last"]) + 1


def orphans() -> QuerySet[IngestFile]:
    """Files that nobody will deal with: without an item, in an archive that has failed or was cancelled."""
    over = IngestFile.objects.filter(pk=OuterRef("parent"), outcome__in=(Outcome.FAILED, Outcome.CANCELLED))
    return IngestFile.objects.filter(Exists(over), item_id=None, outcome="", parent__isnull=False)

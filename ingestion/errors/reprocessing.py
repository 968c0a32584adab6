"""Refusals of what is to be processed anew: nothing was changed."""

from __future__ import annotations

from ingestion.errors.base import IngestionError


class NotReprocessable(IngestionError):
    """This document has no file to be processed from."""

    code = "not_reprocessable"
    status = 409
    hint = "Upload the file again."


class ArchiveGone(NotReprocessable):
    """The archive that this file came in is not kept any more, and the file has no bytes of its own."""

    code = "archive_gone"
    hint = "Upload the file, or the archive, again. How long archives are kept is KEEP_ARCHIVES_DAYS in GET limits."


class ContentGone(IngestionError):
    """The bytes of this file are not kept."""

    code = "content_gone"
    status = 410
    hint = "Upload the file again. It was skipped, could not be unzipped, or its archive was let go after its time."


class NothingToRetry(IngestionError):
    """It has not failed."""

    code = "nothing_to_retry"
    status = 409
    hint = "Look at its state. What ended well is processed anew by reprocess."


class InvalidStage(IngestionError):
    """Processing can not begin at this stage."""

    code = "invalid_stage"
    status = 400
    hint = "Nothing was changed. Give unzipping, uploading or indexing, or leave it out."


class InvalidSelection(IngestionError):
    """What is to be processed anew is not said in a way that can be followed."""

    code = "invalid_selection"
    status = 400
    hint = "Nothing was changed. Correct what the message names and ask again."


class AlreadyUnderWay(IngestionError):
    """Somebody has asked for the same already, and it is being done."""

    code = "already_under_way"
    status = 409
    hint = "Nothing was changed. Wait until that is done."


class WaitsForArchive(IngestionError):
    """It waits to be taken out of its archive, and has no work of its own yet."""

    code = "waits_for_archive"
    status = 409
    hint = "Nothing was changed. Cancel the whole intake, or wait until the archive is unzipped."

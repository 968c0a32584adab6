"""What a knowledge store that is asked over the network may answer, or not.

Three families: the store is not there for anybody (work waits, no attempt is spent), it failed with this document
(tried again, attempts are spent), it does not want this document (final).
"""

from __future__ import annotations

from ingestion.errors.processing import UploadFailed


class KmError(UploadFailed):
    """The knowledge store did not take the document."""

    code = "km_failed"
    retry_after: float | None = None
    store_code = ""

    def __init__(self, message: str = "", *, retry_after: float | None = None, store_code: str = "") -> None:
        """`retry_after`: seconds that the store asked to be left alone for; `store_code`: its own code for this."""
        super().__init__(message)
        if retry_after is not None:
            self.retry_after = retry_after
        if store_code:
            self.store_code = store_code


class KmUnavailable(KmError):
    """The knowledge store does not answer, or says that it can not serve anybody now."""

    code = "km_unavailable"
    hint = "It is tried again by itself and spends no attempt. If it lasts, look at the store's own health."


class KmBusy(KmUnavailable):
    """The knowledge store says that it can not serve now."""


class KmAuth(KmUnavailable):
    """The knowledge store refuses our credentials."""

    code = "km_auth"
    hint = "The operator has to correct INGESTION_KM_TOKEN and restart the workers; work goes on by itself then."


class KmForbidden(KmAuth):
    """The knowledge store forbids it: us, or this document."""


class KmAway(KmUnavailable):
    """There is no knowledge store at the configured address."""

    hint = "The operator has to correct INGESTION_KM_URL and restart the workers; work goes on by itself then."


class KmTimeout(KmError):
    """The knowledge store took too long over this document."""

    code = "km_timeout"
    hint = "It is tried again by itself. If only this document fails, look at the store's log."


class KmServerError(KmError):
    """The knowledge store failed while it took the document."""

    code = "km_5xx"
    hint = "It is tried again by itself. If only this document fails, look at the store's log."


class KmInterrupted(KmError):
    """The connection to the knowledge store ended in the middle."""

    code = "km_interrupted"
    hint = "It is tried again by itself. If only this document fails, look at the store's log."


class KmBadAnswer(KmError):
    """The knowledge store's answer is not what the contract says."""

    code = "km_bad_answer"
    status = 502
    hint = "It is tried again by itself. If it lasts, check INGESTION_KM_URL and the store's version."


class KmRejected(KmError):
    """The knowledge store does not want this document."""

    code = "km_rejected_4xx"
    retryable = False
    status = 422
    hint = "The message holds the store's own words. Correct the file, or the store's rules, and reprocess it."

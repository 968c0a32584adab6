"""What every error of ingestion has: a stable `code`, whether a retry can help, the stage, and a next step.

The first line of a class's docstring is its message for a person where the raiser gives no better one. Codes
are stable: people filter by them, the API publishes them, the queue reads `code` and `retryable` from them.
An error that several families share (a file and a whole upload can both be too large) keeps one code.
"""

from __future__ import annotations

from collections.abc import Iterator


class IngestionError(Exception):
    """Something ingestion refuses or can not do. `str(error)` is the message for a person."""

    code = "ingestion_error"
    retryable = False
    stage = "pending"
    hint = ""
    status = 422  # of the HTTP answer, where the error refuses a request

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        retryable: bool | None = None,
        stage: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(_storable(message) or (self.__doc__ or self.code).strip().splitlines()[0])
        given = {"code": code, "retryable": retryable, "stage": stage, "hint": hint}
        # Kept in __dict__, which pickling carries along: errors travel from executors to the supervisor.
        self.__dict__.update({name: value for name, value in given.items() if value is not None})


def _storable(message: str) -> str:
    """The message as a database and JSON take it: parsers quote from files, also a NUL or half a character."""
    return message.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def error_classes(base: type[IngestionError] = IngestionError) -> Iterator[type[IngestionError]]:
    """Every error class below `base`, each once: what the documentation and the API list as error codes."""
    seen: set[type[IngestionError]] = set()
    waiting = [base]
    while waiting:
        for child in waiting.pop(0).__subclasses__():
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                yield child

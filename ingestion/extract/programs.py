"""Running a program of the machine that reads what no library here does. Its time is bounded by the item's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from ingestion.errors import ProgramFailed


def run(command: Sequence[str], *, given: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
    """What the program writes when it is given these bytes. ProgramFailed when it is missing or does not end well."""
    try:
        ended = subprocess.run(
            command, input=given, capture_output=True, env=os.environ | (environment or {}), check=False
        )
    except FileNotFoundError as error:
        raise ProgramFailed(f"The program {command[0]} is not installed.") from error
    if ended.returncode:
        told = " ".join(ended.stderr.decode(errors="replace").split())[-300:]
        raise ProgramFailed(f"The program {command[0]} ended with {ended.returncode}: {told}")
    return ended.stdout

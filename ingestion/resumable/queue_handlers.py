"""The duty of this room, found by docqueue."""

from __future__ import annotations

from docqueue.duties import duty
from ingestion.resumable import sweeping


@duty("ingestion.resumable", every_seconds=30)
def sweep_resumable(using: str) -> int:  # noqa: ARG001 - a duty's signature; our tables go by the router
    """Finish, end and remove what crashes and absent clients left of resumable uploads."""
    return sweeping.sweep()

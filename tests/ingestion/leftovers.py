"""What is still there: rows and stored files."""

from __future__ import annotations

from pathlib import Path


def left(*models) -> set[str]:
    """Which of these tables hold something."""
    return {model.__name__ for model in models if model.objects.exists()}


def kept(folder: Path) -> list[str]:
    """The names of the files in the document storage."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())

"""Where the project keeps what it makes. Needs no settings: launchers read it before Django is set up."""

from __future__ import annotations

import os
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

if (BASE_DIR / ".env").is_file():  # what the environment itself says goes first
    environ.Env.read_env(BASE_DIR / ".env")


def var_dir() -> Path:
    """The folder of everything generated: database, uploads, keys, logs. VAR_DIR moves it."""
    return Path(os.environ.get("VAR_DIR") or BASE_DIR / "var").absolute()


def postgres_dir() -> Path:
    """Home of the embedded PostgreSQL. EMBEDDED_POSTGRES_DIR moves it alone."""
    return Path(os.environ.get("EMBEDDED_POSTGRES_DIR") or var_dir() / "postgres").absolute()

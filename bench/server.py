"""The one server that every peer is measured on: the embedded PostgreSQL in var/bench, durable, with room to work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from config import embedded_postgres
from config.paths import var_dir
from config.postgres_place import PORT, ROLE

# WAL files are kept for reuse: the checkpoint before each round would have them removed, and the round make them anew.
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "min_wal_size": "4GB", "checkpoint_timeout": "15min"}
SHOWN = ("fsync", "synchronous_commit", "full_page_writes", *SETTINGS, "max_connections")


def bench_dir() -> Path:
    """Where everything that a benchmark makes is kept."""
    return Path(os.environ.get("BENCH_VAR_DIR") or var_dir() / "bench")


class Server:
    """The running server. It stays up as long as this process lives."""

    def __init__(self) -> None:
        os.environ["BENCH_VAR_DIR"] = str(bench_dir())  # the drivers' settings
        self.home = bench_dir() / "postgres"
        self.place = embedded_postgres.ensure_running(self.home)
        self._tune()

    def _tune(self) -> None:
        with self.connect() as connection:
            wrong = [name for name, value in SETTINGS.items() if self._setting(connection, name) != value]
            for name in wrong:
                connection.execute(f"alter system set {name} = '{SETTINGS[name]}'")
        if wrong:
            embedded_postgres.stop(self.home)
            self.place = embedded_postgres.ensure_running(self.home)

    @staticmethod
    def _setting(connection: psycopg.Connection[Any], name: str) -> str:
        row = connection.execute(f"show {name}").fetchone()
        return str(row[0]) if row else ""

    def connect(self, database: str = "postgres", user: str = "postgres") -> psycopg.Connection[Any]:
        """A connection that commits by itself; as superuser unless told otherwise."""
        return psycopg.connect(host=str(self.place.socket_dir), port=PORT, user=user, dbname=database, autocommit=True)

    def describe(self) -> dict[str, str]:
        """Version and the settings that matter."""
        with self.connect() as connection:
            return {name: self._setting(connection, name) for name in ("server_version", *SHOWN)}

    def env(self, database: str) -> dict[str, str]:
        """How a driver finds its database."""
        folder = str(self.place.socket_dir)
        return {
            "BENCH_DSN": f"postgresql://{ROLE}@/{database}?host={quote(folder, safe='')}&port={PORT}",
            "PGHOST": folder,
            "PGPORT": str(PORT),
            "PGUSER": ROLE,
            "PGDATABASE": database,
        }

    def fresh(self, database: str, template: str = "template1") -> None:
        """Make the database anew, a copy of `template`."""
        with self.connect() as connection:
            connection.execute(f'drop database if exists "{database}" with (force)')
            connection.execute(f'create database "{database}" owner {ROLE} template "{template}"')

    def drop(self, database: str) -> None:
        """Drop it, whoever is connected."""
        with self.connect() as connection:
            connection.execute(f'drop database if exists "{database}" with (force)')

    def settle(self, database: str) -> None:
        """Statistics are fresh and nothing is left to be written: the same start for everybody."""
        with self.connect(database) as connection:
            connection.execute("analyze")
            connection.execute("checkpoint")

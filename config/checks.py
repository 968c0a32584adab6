"""Django's part of `make check`: missing migrations, system checks, those for production, generated files."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

from config import embedded_postgres
from config.paths import BASE_DIR


def production_env() -> dict[str, str]:
    """The documented production environment (docs/settings.md), on whatever database there is."""
    return dict(os.environ) | {
        "PRODUCTION": "true",
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "docs.example.org",
        "TRUSTED_PROXY": "true",
        "DATABASE_URL": os.environ.get("DATABASE_URL") or embedded_postgres.database_url(),
    }


def main() -> int:
    """Run all, say which failed; 0 when none did."""
    if not os.environ.get("DATABASE_URL"):
        embedded_postgres.ensure_running()  # for as long as we live: the steps are processes of their own
    manage = [sys.executable, "manage.py"]
    steps: list[tuple[str, list[str], dict[str, str] | None]] = [
        ("missing migrations", [*manage, "makemigrations", "--check", "--dry-run"], None),
        ("system checks", [*manage, "check", "--fail-level", "WARNING"], None),
        ("production checks", [*manage, "check", "--deploy", "--fail-level", "WARNING"], production_env()),
        ("generated files", [sys.executable, "-m", "config.settings_docs", "--check"], None),
    ]
    failed = []
    for name, command, env in steps:
        print(f"{name}: ", end="", flush=True)
        if subprocess.run(command, cwd=BASE_DIR, env=env, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

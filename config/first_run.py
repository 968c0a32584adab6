"""What the site needs before it can be used: tables, an administrator, an API token. Safe to run again."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to get in. `password` is empty when the administrator was made by somebody else."""

    user: str
    password: str
    token: str
    login_path: str


def prepare(credentials: Path) -> Access:
    """Migrate, make the administrator and the token, and keep both in `credentials`, readable by its owner only.

    Sets Django up. Leaves no connection open.
    """
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connections
    from rest_framework.authtoken.models import Token

    from config.login_links import login_path

    call_command("migrate", interactive=False, verbosity=0)
    users = get_user_model().objects
    password = ""
    admin = users.filter(username=ADMIN).first()
    if admin is None:
        password = secrets.token_urlsafe(12)
        admin = users.create_superuser(ADMIN, password=password)
    token, _ = Token.objects.get_or_create(user=admin)
    password = _keep(credentials, password, token.key)
    access = Access(user=ADMIN, password=password, token=token.key, login_path=login_path(admin))
    connections.close_all()
    return access


def _keep(file: Path, password: str, token: str) -> str:
    """Write what is new, return the password that is known."""
    if not password and file.exists():
        lines = dict(line.split(": ", 1) for line in file.read_text().splitlines() if ": " in line)
        password = lines.get("password", "")
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(f"user: {ADMIN}\npassword: {password}\ntoken: {token}\n")
    return password

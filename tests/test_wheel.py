"""The README's way into an existing project, run word for word on the wheel in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from django.db import connection

PURELIB = Path(sysconfig.get_paths()["purelib"])


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(root)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_queue_alone_and_needs_only_django_and_psycopg(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(n for n in names if n.endswith("METADATA"))).decode()
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"docqueue"}
    assert "docqueue/py.typed" in names
    assert "docqueue/sql/claim.sql" in names
    assert any(n.startswith("docqueue/templates/") for n in names)
    needed = [line.split(": ", 1)[1] for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    assert {re.split(r"[<>=;\[ ]", n)[0] for n in needed if "extra ==" not in n} == {"django", "psycopg"}


def blocks(readme: str) -> list[tuple[str, str]]:
    """Language and text of each code block between the README's markers."""
    part = readme.split("<!-- existing-project", 1)[1].split("<!-- end of existing-project", 1)[0]
    return re.findall(r"```(\w+)\n(.*?)```", part, flags=re.DOTALL)


@pytest.mark.django_db(transaction=True)
def test_the_readme_leads_from_startproject_to_a_finished_item(wheel: Path, root: Path, tmp_path: Path) -> None:
    site = tmp_path / "my site"
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    # Django and psycopg count as installed (so that no network is needed); docqueue comes from the wheel.
    libraries = next((environment / "lib").glob("python3*")) / "site-packages"
    (libraries / "installed.pth").write_text(str(PURELIB) + "\n")
    settings = connection.settings_dict
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO", "DOCQUEUE", "PYTHON", "PIP"))}
    env |= {
        "PATH": f"{environment / 'bin'}:{env['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": wheel.parent.as_uri(),
    }
    env |= {"PGHOST": str(settings["HOST"]), "PGPORT": str(settings["PORT"]), "PGUSER": str(settings["USER"])}

    def sh(line: str, folder: Path = site) -> str:
        done = subprocess.run(["sh", "-ec", line], cwd=folder, env=env, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    site.mkdir()
    sh("python -m django startproject mysite .")
    name = f"{settings['NAME']}_readme"
    with connection.cursor() as cursor:
        cursor.execute(f'drop database if exists "{name}" with (force)')
        cursor.execute(f'create database "{name}"')
    try:
        project_settings = site / "mysite" / "settings.py"
        with project_settings.open("a") as out:  # what the reader's project has already
            out.write(f'\nDATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", "NAME": "{name}"}}}}\n')
        said = ""
        for language, text in blocks((root / "README.md").read_text()):
            if language == "sh":
                said += sh(text)
            elif "INSTALLED_APPS" in text:
                with project_settings.open("a") as out:
                    out.write(text)
            else:
                (site / "letters" / "queue_handlers.py").write_text(text)
        assert "Enqueued(id=1" in said
        counts = next(line.split() for line in said.splitlines() if line.startswith("letters "))
        assert counts[6] == "1", said  # completed
        assert "letters.count_words" in said  # the worker's own line about the item
        sh("python manage.py check && python manage.py makemigrations --check --dry-run docqueue")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'drop database if exists "{name}" with (force)')

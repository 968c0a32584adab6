"""The examples of docs/how-to/resumable-uploads.md, run as they stand there against the web server."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from ingestion.models import Intake
from ingestion.resumable import errors
from ingestion.resumable.errors import ResumableError
from tests.ingestion.factories import zipped
from tests.ingestion.resumable.conftest import node_client, site, site_env, token  # noqa: F401 - fixtures

PAPERS = zipped({"a.txt": "a text", "b.txt": "another"})


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs/how-to/resumable-uploads.md").read_text()


def block(page: str, language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return found


def check_intake(pk: str) -> None:
    intake = Intake.objects.get()
    assert str(intake.pk) == pk
    assert (intake.kind, intake.filename, intake.tags) == ("zip", "papers.zip", ["2026", "berlin"])


def test_the_curl_commands_bring_a_file(page, site, tmp_path):  # noqa: F811 - the fixtures
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / "var/credentials").write_text(f"user: admin\ntoken: {site.token}\n")
    (tmp_path / "papers.zip").write_bytes(PAPERS)
    script = block(page, "sh").replace("127.0.0.1:8000", f"127.0.0.1:{site.port}").replace("head -c 64M", "head -c 100")
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Tus-Version: 1.0.0" in done.stdout
    found = re.search(r"^Docqueue-Intake: (\d+)\r?$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    check_intake(found[1])
    assert Intake.objects.get().client_key == "papers-17"


def test_the_python_example_brings_a_file(page, site, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    Path("papers.zip").write_bytes(PAPERS)
    names = {"site": f"http://127.0.0.1:{site.port}", "token": site.token}
    exec(block(page, "python"), names)
    check_intake(names["intake"])


def test_the_javascript_example_brings_a_file(page, site, node_client, tmp_path):  # noqa: F811
    (node_client / "page.mjs").write_text(block(page, "js"))
    more = {"endpoint": f"http://127.0.0.1:{site.port}/api/v1/uploads", "chunkSize": 100}
    more["metadata"] = {"filename": "papers.zip", "tags": "2026,berlin"}
    program = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ send }} from "{node_client}/page.mjs";
        const headers = {{ Authorization: "Token {site.token}" }};
        console.log(await send(readFileSync("papers.zip"), headers, {json.dumps(more)}));
    """
    (tmp_path / "papers.zip").write_bytes(PAPERS)
    (tmp_path / "program.mjs").write_text(program)
    done = subprocess.run(
        ["node", "program.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    check_intake(done.stdout.strip())


def test_every_refusal_of_the_table_is_one_of_ours_with_that_status(page):
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ResumableError)]
    ours = {kind.code: kind.status for kind in kinds} | {"not_found": 404, "beyond_upload_length": 413}
    rows = re.findall(r"^\| ([\d, ]+) \| (`[^|]+) \|", page, re.MULTILINE)
    assert len(rows) == 8
    for statuses, codes in rows:
        for code in re.findall(r"`(\w+)`", codes):
            assert str(ours[code]) in statuses, code

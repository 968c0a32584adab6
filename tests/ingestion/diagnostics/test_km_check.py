"""`manage.py km_check` beside a real server: every step, every way to be wrong, and nothing left behind."""

from __future__ import annotations

import io
import json
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from django.core.management import call_command

from config.processes import free_port
from ingestion.km.fake_moods import Mood
from ingestion.models import KmCall

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = ["settings", "dns", "connect", "health", "put", "exists", "status", "search", "delete"]


@pytest.fixture(autouse=True)
def _own_files(documents_dir, monkeypatch):
    monkeypatch.setattr("ingestion.km.http.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("ingestion.km.http._breakers", {})


def run(*options: str) -> tuple[int, str]:
    """Exit code and what was written."""
    out = io.StringIO()
    try:
        call_command("km_check", *options, stdout=out, no_color=True)
    except SystemExit as end:
        return int(end.code), out.getvalue()
    return 0, out.getvalue()


def steps() -> tuple[int, dict[str, dict]]:
    code, text = run("--json")
    said = json.loads(text)
    assert said["ok"] is (code == 0)
    return code, {step["name"]: step for step in said["steps"]}


def at(settings, url: str, **more) -> None:
    settings.INGESTION = {**settings.INGESTION, "KM_URL": url, **more}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_good_store_is_good_in_every_step_and_nothing_is_left(http_km, documents_dir):
    code, text = run()
    lines = text.splitlines()
    assert code == 0, text
    assert [line.split()[1] for line in lines] == STEPS
    assert all(line.startswith("ok ") and " ms " in line for line in lines)
    assert "first byte" in text
    assert "finds it" in text
    assert (http_km.shelf.objects, files(documents_dir), KmCall.objects.count()) == ({}, [], 0)


def test_json_has_the_timings_of_each_call(http_km):
    code, told = steps()
    assert (code, list(told)) == (0, STEPS)
    put = told["put"]["calls"][-1]
    assert (put["method"], put["attempt"], put["status"], put["code"]) == ("put", 1, 201, None)
    assert 0 < put["milliseconds"]["first_byte"] <= put["milliseconds"]["total"] <= told["put"]["milliseconds"]


def test_a_name_that_is_none(http_km, settings):
    at(settings, "http://no-such-host.invalid")
    code, told = steps()
    assert (code, told["dns"]["ok"]) == (1, False)
    assert "There is no such name: no-such-host.invalid" in told["dns"]["said"]
    assert "INGESTION_KM_URL" in told["dns"]["hint"]
    assert told["put"]["ok"] is None


def test_nothing_listens(http_km, settings):
    at(settings, f"http://127.0.0.1:{free_port()}")
    code, told = steps()
    assert (code, told["connect"]["ok"]) == (1, False)
    assert "the connection is refused" in told["connect"]["said"]


def test_a_port_that_speaks_no_tls(http_km, settings):
    at(settings, http_km.url.replace("http:", "https:"))
    code, told = steps()
    assert (code, told["tls"]["ok"]) == (1, False)
    assert "Is it an http address?" in told["tls"]["hint"]


def test_a_certificate_that_is_not_to_be_trusted(http_km, settings, tmp_path):
    with self_signed(tmp_path) as port:
        at(settings, f"https://127.0.0.1:{port}")
        code, told = steps()
    assert (code, told["tls"]["ok"]) == (1, False)
    assert "certificate is not to be trusted" in told["tls"]["said"]
    assert "SSL_CERT_FILE" in told["tls"]["hint"]


def test_a_wrong_token(http_km, settings):
    at(settings, http_km.url, KM_TOKEN="another")
    code, told = steps()
    assert (code, told["health"]["ok"]) == (1, False)
    assert "401" in told["health"]["said"]
    assert "INGESTION_KM_TOKEN" in told["health"]["hint"]
    assert "another" not in json.dumps(told)


def test_a_place_that_is_another_service(http_km):
    http_km.behave(Mood(kind="wrong_body"))
    code, told = steps()
    assert (code, told["health"]["ok"]) == (1, False)
    assert "no JSON" in told["health"]["said"]
    assert "INGESTION_KM_URL" in told["health"]["hint"]


def test_a_store_that_is_well_but_takes_nothing(http_km, documents_dir):
    http_km.behave(Mood(kind="refuse", path="/documents", status=422, detail="no more of these"))
    code, told = steps()
    assert (code, told["health"]["ok"], told["put"]["ok"]) == (1, True, False)
    assert "no more of these" in told["put"]["said"]
    assert [told[name]["ok"] for name in ("exists", "status", "search")] == [None] * 3
    assert files(documents_dir) == []


def test_what_a_store_took_without_saying_so_is_taken_out_again(http_km, settings):
    at(settings, http_km.url, KM_TRIES=1)
    http_km.behave(Mood(kind="cut", path="/documents", at="answer"))
    code, told = steps()
    assert (code, told["put"]["ok"], told["delete"]["ok"]) == (1, False, True)
    assert http_km.shelf.objects == {}


def test_settings_that_lead_nowhere(settings):
    settings.INGESTION = {**settings.INGESTION, "KM": "ingestion.km.http.HttpKM", "KM_URL": "ftp://x"}
    code, told = steps()
    assert (code, list(told), told["settings"]["ok"]) == (1, ["settings"], False)
    assert "INGESTION_KM_URL" in told["settings"]["said"]
    settings.INGESTION = {**settings.INGESTION, "KM": "ingestion.km.nowhere.Store"}
    code, told = steps()
    assert (code, told["settings"]["ok"]) == (1, False)
    assert "can not be imported" in told["settings"]["said"]


def test_the_store_in_our_own_database_has_nothing_to_send_to(documents_dir):
    code, text = run()
    assert code == 0, text
    assert [line.split()[1] for line in text.splitlines()] == ["settings", "health", "storage", "search"]
    assert "nothing is sent anywhere" in text
    assert files(documents_dir) == []


class self_signed:  # noqa: N801 - reads as `with self_signed(…)`
    """A TLS server on loopback whose certificate nobody has signed."""

    def __init__(self, folder: Path) -> None:
        self.key, self.certificate = folder / "key.pem", folder / "certificate.pem"
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out",
                self.certificate, "-days", "2", "-subj", "/CN=127.0.0.1",
            ],
            check=True, capture_output=True,
        )  # fmt: skip

    def __enter__(self) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.ended = threading.Event()

        def serve() -> None:
            while not self.ended.is_set():
                try:
                    plain, _ = self.server.accept()
                    context.wrap_socket(plain, server_side=True).close()
                except OSError:
                    continue

        threading.Thread(target=serve, daemon=True).start()
        return int(self.server.getsockname()[1])

    def __exit__(self, *exception: object) -> None:
        self.ended.set()
        self.server.close()

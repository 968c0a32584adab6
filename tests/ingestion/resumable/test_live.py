"""Resumable uploads against the web server itself: races, clients that vanish, servers that are killed."""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import threading
from pathlib import Path

import pytest
from rest_framework.authtoken.models import Token

from ingestion.models import Blob, Intake
from ingestion.resumable.models import UploadSession
from tests.ingestion.resumable.site import Site, until
from tests.ingestion.resumable.tus import Tus, checksum

MIB = 1024 * 1024
DATA = os.urandom(8 * MIB)
HALF = 4 * MIB


def stored(site: Site) -> bytes:
    """The bytes of the one upload that was taken in."""
    return (site.documents / Blob.objects.get().storage_key).read_bytes()


def send_half(site: Site, place: str, **headers: str):
    """A PATCH with all of DATA of which half is sent: its connection, once most of that lies on the disk."""
    connection = site.wire().start_patch(place, 0, len(DATA), **headers)
    connection.send(DATA[:HALF])
    until(lambda: site.size(place) >= HALF - MIB, "the bytes do not come to the disk")
    return connection


def test_of_patches_at_once_one_writes_and_the_others_are_refused(site):
    for number in range(4):
        place = site.wire().begun(HALF, f"{number}.bin")
        pieces = [bytes([n]) * HALF for n in range(6)]
        answers: dict[int, tuple[int, str | None]] = {}
        gate = threading.Barrier(len(pieces))

        def send(n: int, place: str = place, pieces=pieces, answers=answers, gate=gate) -> None:
            wire = site.wire()
            wire.offset(place)  # the connection stands
            gate.wait()
            status, _said, problem = wire.patch(place, 0, pieces[n])
            answers[n] = (status, problem and problem["code"])

        threads = [threading.Thread(target=send, args=(n,)) for n in range(len(pieces))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        winners = [n for n, (status, _) in answers.items() if status == 204]
        assert len(answers) == len(pieces)
        assert len(winners) == 1, answers
        refused = {answer for n, answer in answers.items() if n not in winners}
        assert refused <= {(423, "upload_locked"), (409, "offset_mismatch")}
        intake = Intake.objects.latest("pk")
        file = site.documents / intake.files.get().blob.storage_key
        assert file.read_bytes() == pieces[winners[0]]
    assert Intake.objects.count() == 4


def test_what_arrived_before_the_client_vanished_counts(site):
    place = site.wire().begun(len(DATA), "a.bin")
    send_half(site, place).close()
    wire = site.wire()
    until(lambda: wire.offset(place) == HALF, "the bytes that arrived do not count")
    assert site.size(place) == HALF
    until(lambda: wire.patch(place, HALF, DATA[HALF:])[0] == 204, "the rest is not taken")
    assert stored(site) == DATA


def test_killing_the_server_in_a_patch_keeps_what_is_on_the_disk_and_locks_nobody_out(site):
    place = site.wire().begun(len(DATA), "a.bin")
    send_half(site, place)
    site.kill()
    left = site.size(place)
    assert HALF - MIB <= left <= HALF
    site.start()
    wire = site.wire()
    assert wire.offset(place) == site.size(place) == left
    assert wire.patch(place, left, DATA[left:])[0] == 204, "at once: the lock died with its holder"
    assert stored(site) == DATA


def test_killing_the_server_in_a_patch_with_a_checksum_keeps_nothing_of_it(site):
    place = site.wire().begun(len(DATA) + 5, "a.bin")
    assert site.wire().patch(place, 0, b"first")[0] == 204
    connection = site.wire().start_patch(place, 5, len(DATA), Upload_Checksum=checksum(DATA))
    connection.send(DATA[:HALF])
    until(lambda: site.size(place) >= HALF - MIB, "the bytes do not come to the disk")
    assert site.wire().offset(place) == 5, "they do not count before they are checked"
    site.kill()
    assert site.size(place) > 5
    site.start()
    wire = site.wire()
    assert wire.offset(place) == site.size(place) == 5
    assert wire.patch(place, 5, DATA, Upload_Checksum=checksum(DATA))[0] == 204
    assert stored(site) == b"first" + DATA


def test_a_silent_client_gives_way_and_can_not_write_any_more(root, site_env, token):
    site = Site(root, site_env | {"INGESTION_RESUMABLE_TAKEOVER_SECONDS": "1"}, token)
    with site.running():
        silent_client(site)


def silent_client(site: Site) -> None:
    place = site.wire().begun(len(DATA), "a.bin")
    silent = send_half(site, place)
    wire = site.wire()
    at = 0

    def takes_over() -> bool:
        nonlocal at
        at = wire.offset(place)
        return wire.patch(place, at, DATA[at : at + 10])[0] == 204

    until(takes_over, "the silent one does not give way", pause=0.1)
    silent.send(b"x" * (len(DATA) - HALF))
    answer = silent.getresponse()
    assert (answer.status, b"upload_taken_over" in answer.read()) == (409, True)
    assert wire.offset(place) == at + 10
    assert wire.patch(place, at + 10, DATA[at + 10 :])[0] == 204
    assert stored(site) == DATA


def test_ending_an_upload_breaks_off_its_running_patch(site):
    place = site.wire().begun(len(DATA), "a.bin")
    running = send_half(site, place)
    wire = site.wire()
    status, _said, problem = wire.patch(place, wire.offset(place), b"x")
    assert (status, problem["code"]) == (423, "upload_locked")
    assert site.wire().ask("DELETE", place)[0] == 204
    running.send(DATA[HALF:])
    answer = running.getresponse()
    assert (answer.status, b"upload_gone" in answer.read()) == (410, True)
    assert not list((site.documents / "resumable").iterdir())
    assert not UploadSession.objects.exists()


def test_a_body_of_unknown_length_is_taken_up_to_the_limit(root, site_env, token):
    site = Site(root, site_env | {"INGESTION_MAX_PATCH_BYTES": str(HALF)}, token)
    with site.running():
        place = site.wire().begun(len(DATA), "a.bin")
        connection = site.wire().connection
        said = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        said["Authorization"] = f"Token {token}"

        def send(size: int) -> int:
            connection.request("PATCH", place, iter([DATA[:1000], DATA[1000:size]]), said, encode_chunked=True)
            answer = connection.getresponse()
            answer.read()
            return answer.status

        assert send(HALF + 1) == 413
        assert site.size(place) == 0
        assert send(HALF) == 204
        assert site.wire().offset(place) == HALF


def test_it_works_under_asgi_too(root, site_env, token):
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", "PORT", "--log-level", "warning"]
    site = Site(root, site_env, token, command)
    with site.running():
        wire = site.wire()
        place = wire.begun(len(DATA), "a.bin")
        assert wire.patch(place, 0, DATA[:HALF], Upload_Checksum=checksum(b"other"))[0] == 460
        assert wire.patch(place, 0, DATA[:HALF], Upload_Checksum=checksum(DATA[:HALF]))[0] == 204
        assert wire.patch(place, 0, DATA[:HALF])[0] == 409
        status, said, _ = wire.patch(place, HALF, DATA[HALF:])
        assert (status, "docqueue-intake" in said) == (204, True)
        assert stored(site) == DATA


def test_a_refusal_that_comes_before_the_body_reaches_a_client_that_sends_it_all(site):
    wire = site.wire()
    place = wire.begun(len(DATA), "a.bin")
    status, _said, problem = wire.patch(place, 1, DATA)
    assert (status, problem["code"]) == (409, "offset_mismatch")
    assert wire.patch(place, 0, DATA)[0] == 204, "on the same connection"


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("before", marks=pytest.mark.slow),
        "stored",
        "taken_in",
        pytest.param("noted", marks=pytest.mark.slow),
    ],
)
def test_killed_after_the_last_byte_it_becomes_one_intake_all_the_same(root: Path, site_env, token, settings, moment):
    site = Site(root, site_env, token, [sys.executable, "-m", "tests.ingestion.resumable.dying", "PORT", moment])
    site.start()
    wire = site.wire()
    place = wire.begun(len(DATA), "a.bin")
    with pytest.raises((OSError, http.client.HTTPException), match=r"closed|reset|pipe"):
        wire.patch(place, 0, DATA)
    assert site.process is not None
    assert site.process.wait(10) == -9
    options = settings.STORAGES["documents"] | {"OPTIONS": {"location": site.documents}}
    settings.STORAGES = settings.STORAGES | {"documents": options}
    answer = Tus(Token.objects.get().user).head(place)
    assert (answer.status_code, answer["Upload-Offset"]) == (200, str(len(DATA)))
    assert answer["Docqueue-Intake"] == str(Intake.objects.get().pk)
    assert hashlib.sha256(DATA).hexdigest() == Blob.objects.get().sha256
    assert stored(site) == DATA
    assert moment == "noted" or not list((site.documents / "resumable").iterdir())

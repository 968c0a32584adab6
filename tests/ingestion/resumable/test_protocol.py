"""Headers of tus 1.0.0: what is read from them and what is refused."""

from __future__ import annotations

import base64
import hashlib

import pytest

from ingestion.resumable import protocol
from ingestion.resumable.errors import NotOffered, ResumableError, VersionMismatch, WrongContentType
from tests.ingestion.resumable.tus import metadata


def test_metadata_is_pairs_of_a_key_and_base64():
    assert protocol.metadata(metadata(filename="Grüße.txt", empty="")) == {"filename": "Grüße.txt", "empty": ""}
    assert protocol.metadata("filename d29ybGQ=,is_confidential") == {"filename": "world", "is_confidential": ""}
    assert protocol.metadata("") == {}


@pytest.mark.parametrize(
    "header",
    ["filename d29ybGQ", "filename d29ybGQ=,filename d29ybGQ=", "filename /w==", "fi le d29ybGQ=", ",", "ü d29ybGQ=",
     "filename " + base64.b64encode(b"x" * 9000).decode()],
    ids=["bad base64", "a key twice", "no utf-8", "two values", "no key", "a key that is not ascii", "too long"],
)  # fmt: skip
def test_metadata_that_can_not_be_read_is_refused(header):
    with pytest.raises(ResumableError):
        protocol.metadata(header)


@pytest.mark.parametrize("given", ["", "-1", "1.5", "0x10", " 1", "9" * 19, "١"])
def test_a_size_is_a_plain_number(given):
    with pytest.raises(ResumableError, match="Upload-Length"):
        protocol.number({"Upload-Length": given}, "Upload-Length")


def test_a_size_that_is_missing_is_named():
    with pytest.raises(ResumableError, match="Upload-Offset"):
        protocol.number({}, "Upload-Offset")


def test_a_file_is_named_by_its_path_in_its_folder_where_a_client_says_one():
    def name(**pairs):
        return protocol.creation({"Upload-Length": "1", "Upload-Metadata": metadata(**pairs)}).name

    assert name(filename="a.txt", relativePath="folder/a.txt") == "folder/a.txt"
    assert name(filename="a.txt", relativePath="null") == "a.txt"
    assert name(name="a.txt") == "a.txt"
    assert name(filetype="text/plain") == "unnamed"


@pytest.mark.parametrize("header", ["Upload-Defer-Length", "Upload-Concat"])
def test_what_is_not_offered_is_refused_clearly(header):
    with pytest.raises(NotOffered, match=header):
        protocol.creation({header: "1"})


def test_another_version_is_refused():
    protocol.check_version({"Tus-Resumable": "1.0.0"})
    for headers in ({}, {"Tus-Resumable": "0.2.2"}):
        with pytest.raises(VersionMismatch):
            protocol.check_version(headers)


def test_another_content_type_is_refused():
    protocol.check_content_type({"Content-Type": "Application/offset+octet-stream; a=b"})
    with pytest.raises(WrongContentType):
        protocol.check_content_type({"Content-Type": "application/octet-stream"})


@pytest.mark.parametrize("algorithm", protocol.ALGORITHMS)
def test_a_checksum_is_an_algorithm_and_a_hash(algorithm):
    expected = hashlib.new(algorithm, b"words").digest()
    read = protocol.checksum({"Upload-Checksum": f"{algorithm} {base64.b64encode(expected).decode()}"})
    assert read is not None
    digest = read.digest()
    digest.update(b"words")
    assert digest.digest() == read.expected == expected
    assert protocol.checksum({}) is None


@pytest.mark.parametrize("header", ["crc32 AAAA", "sha1 !", "sha1", ""])
def test_a_checksum_that_can_not_be_checked_is_refused(header):
    if header == "sha1":
        assert protocol.checksum({"Upload-Checksum": header}).expected == b""  # matches nothing
        return
    with pytest.raises(ResumableError):
        protocol.checksum({"Upload-Checksum": header})

"""Documents' bytes in storage: there completely or not at all, once, under the hash of what they are."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage, storages

from ingestion import inventory, storage
from ingestion.errors import BlobCorrupt, BlobMissing, DiskFull, StorageUnavailable, TooLarge

CONTENT = [b"first ", b"second ", b"third"]
SHA256 = hashlib.sha256(b"".join(CONTENT)).hexdigest()


@pytest.fixture(params=["local", "remote", "s3"])
def anywhere(request: pytest.FixtureRequest, settings, tmp_path) -> Path:
    """A storage with local files and two without; the folder is where unfinished files may lie."""
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    if request.param == "s3":
        request.getfixturevalue("in_s3")
        return tmp_path
    if request.param == "local":
        backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    else:
        backend = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "documents": backend}
    return tmp_path


def left_over(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix == ".part"]


def blobs(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".part"]


def test_what_was_put_can_be_read_and_is_named_by_its_hash(anywhere: Path) -> None:
    blob = storage.put_stream(CONTENT)
    assert (blob.sha256, blob.size, blob.created) == (SHA256, 18, True)
    assert blob.key == storage.key_for(SHA256)
    assert storage.exists(blob.key)
    with storage.open(blob.key) as file:
        assert file.read() == b"".join(CONTENT)
        file.seek(6)
        assert file.read(6) == b"second"
    with storage.local_path(blob.key) as path:
        assert path.read_bytes() == b"".join(CONTENT)
    assert left_over(anywhere) == []


def test_the_same_bytes_are_kept_once(anywhere: Path) -> None:
    first, again = storage.put_stream(CONTENT), storage.put_stream([b"".join(CONTENT)])
    assert again.key == first.key
    assert not again.created
    assert left_over(anywhere) == []


def test_an_empty_file_is_a_blob_too(anywhere: Path) -> None:
    blob = storage.put_stream([])
    assert blob.size == 0
    assert storage.exists(blob.key)


def test_a_failing_source_leaves_nothing_behind_and_its_error_passes(anywhere: Path) -> None:
    def breaks() -> Iterator[bytes]:
        yield b"first "
        raise OSError(errno.ECONNRESET, "the client has gone")

    with pytest.raises(OSError, match="the client has gone") as failure:
        storage.put_stream(breaks())
    assert not isinstance(failure.value, StorageUnavailable)
    assert left_over(anywhere) == []
    assert not storage.exists(storage.key_for(hashlib.sha256(b"first ").hexdigest()))


def test_a_stream_over_the_limit_is_cut_off_and_leaves_nothing_behind(anywhere: Path) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    with pytest.raises(TooLarge):
        storage.put_stream(endless(), max_bytes=5_500)
    assert taken == 6
    assert left_over(anywhere) == []
    assert storage.put_stream([b"x" * 5_500], max_bytes=5_500).size == 5_500


def test_the_limit_is_the_settings_unless_given(anywhere: Path, settings) -> None:
    settings.INGESTION = {"MAX_UPLOAD_BYTES": 10, "MAX_FILE_BYTES": 17}
    with pytest.raises(TooLarge):
        storage.put_stream(CONTENT)


def test_a_deleted_blob_is_missing_and_deleting_it_again_is_no_error(anywhere: Path) -> None:
    blob = storage.put_stream(CONTENT)
    storage.delete(blob.key)
    storage.delete(blob.key)
    assert not storage.exists(blob.key)
    assert storage.missing([blob.key]) == {blob.key}
    with pytest.raises(BlobMissing) as failure:
        storage.open(blob.key)
    assert failure.value.retryable
    with pytest.raises(BlobMissing), storage.local_path(blob.key):
        pass
    assert storage.put_stream(CONTENT).created


@pytest.mark.parametrize("key", ["../etc/passwd", "/etc/passwd", "", "parts/x.part", f"ab/../{SHA256}", SHA256])
def test_only_keys_that_it_gave_out_are_taken(anywhere: Path, key: str) -> None:
    for function in (storage.open, storage.exists, storage.delete):
        with pytest.raises(ValueError, match="not the key"):
            function(key)


def test_a_range_is_read_and_no_more(anywhere: Path) -> None:
    blob = storage.put_stream(CONTENT)
    assert b"".join(storage.ranged(blob.key, 6, 12)) == b"second"
    assert b"".join(storage.ranged(blob.key, 0, 18)) == b"".join(CONTENT)
    assert list(storage.ranged(storage.put_stream([]).key, 0, 0)) == []
    storage.delete(blob.key)
    with pytest.raises(BlobMissing):
        storage.ranged(blob.key, 0, 6)


def test_what_is_stored_is_listed_by_the_first_digits_with_sizes_and_times(anywhere: Path) -> None:
    assert list(inventory.listed(SHA256[:2])) == []
    before = time.time()
    blob = storage.put_stream(CONTENT)
    (found,) = inventory.listed(blob.key[:2])
    assert (found.sha256, found.size) == (SHA256, 18)
    assert abs(found.at.timestamp() - before) < 60


def test_damaged_bytes_are_noticed_where_a_copy_of_them_is_made(anywhere: Path) -> None:
    key = storage.key_for(SHA256)
    storages["documents"].save(key, io.BytesIO(b"x" * 18))
    if anywhere_is_local():
        return  # the file itself is read there; storage_check --verify looks at it
    with pytest.raises(BlobCorrupt), storage.local_path(key):
        pass
    assert left_over(anywhere) == []


def anywhere_is_local() -> bool:
    return isinstance(storages["documents"], FileSystemStorage)


def test_a_blob_of_the_wrong_size_is_replaced(anywhere: Path) -> None:
    key = storage.key_for(SHA256)
    storages["documents"].save(key, io.BytesIO(b"cut sh"))
    assert storage.put_stream(CONTENT).created
    with storage.open(key) as file:
        assert file.read() == b"".join(CONTENT)


def test_many_at_once_with_the_same_bytes_end_with_one_blob(settings, tmp_path: Path) -> None:
    settings.STORAGES = {**settings.STORAGES, "documents": local(tmp_path)}
    content = [b"same bytes " * 1000] * 20
    with ThreadPoolExecutor(8) as pool:
        keys = {blob.key for blob in pool.map(lambda _: storage.put_stream(content), range(40))}
    assert len(keys) == 1
    assert [path.read_bytes() for path in blobs(tmp_path)] == [b"".join(content)]
    assert left_over(tmp_path) == []


def local(folder: Path, **options: object) -> dict[str, object]:
    backend = "django.core.files.storage.FileSystemStorage"
    return {"BACKEND": backend, "OPTIONS": {"location": folder, **options}}


def test_a_blob_is_synced_before_it_has_its_name_and_its_folder_after(settings, tmp_path, monkeypatch) -> None:
    settings.STORAGES = {**settings.STORAGES, "documents": local(tmp_path)}
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").resolve()
        steps.append("sync folder" if target.is_dir() else "sync file")
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Path:
        steps.append("move")
        return replace(path, target)

    storage.put_stream([b"so that the parts folder is there"])
    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    storage.put_stream(CONTENT)
    assert steps[0] == "sync file"
    assert steps[-2:] == ["move", "sync folder"]


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, StorageUnavailable)]
)
def test_a_failing_disk_is_named_can_be_retried_and_leaves_nothing_behind(
    number: int, expected: type[Exception], settings, tmp_path: Path, monkeypatch
) -> None:
    settings.STORAGES = {**settings.STORAGES, "documents": local(tmp_path)}

    def fails(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(expected) as failure:
        storage.put_stream(CONTENT)
    assert failure.value.retryable  # type: ignore[attr-defined]
    monkeypatch.undo()
    assert left_over(tmp_path) + blobs(tmp_path) == []


def test_permissions_are_those_of_the_storage(settings, tmp_path: Path) -> None:
    backend = local(tmp_path, file_permissions_mode=0o640, directory_permissions_mode=0o750)
    settings.STORAGES = {**settings.STORAGES, "documents": backend}
    storage.put_stream(CONTENT)
    (path,) = blobs(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.parent.stat().st_mode & 0o777 == 0o750


KILLED = """
    import os, signal, sys
    from django.conf import settings
    backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": sys.argv[1]}}
    settings.configure(STORAGES={"documents": backend})
    from ingestion import storage
    def chunks():
        yield b"x" * 3_000_000
        os.kill(os.getpid(), signal.SIGKILL)
    storage.put_stream(chunks())
"""


def test_a_killed_process_leaves_no_blob_and_its_unfinished_file_is_swept(root: Path, settings, tmp_path: Path) -> None:
    settings.STORAGES = {**settings.STORAGES, "documents": local(tmp_path)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), tmp_path], cwd=root, timeout=60)
    assert done.returncode == -9
    assert blobs(tmp_path) == []
    (part,) = left_over(tmp_path)
    written = part.stat().st_mtime
    assert storage.remove_stale_parts(3600, now=written + 3599) == 0
    assert storage.remove_stale_parts(3600, now=written + 3601) == 1
    assert left_over(tmp_path) == []

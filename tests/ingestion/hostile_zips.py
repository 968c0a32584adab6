"""Zip archives built byte by byte, so that each field can lie. Nothing here is a real document.

`entry` and `archive` build any zip, honest or not; below them stand the hostile ones by name. `REFUSED` lists those
that are refused as a whole with the code that the refusal has.
"""

from __future__ import annotations

import binascii
import io
import stat
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

STORED, DEFLATE, AES = 0, 8, 99
DESCRIPTOR_FLAG, ENCRYPTED_FLAG, UTF8_FLAG = 1 << 3, 1 << 0, 1 << 11
UNIX, DOS = 3, 0


def deflated(data: bytes) -> bytes:
    """Raw deflate, as it lies in a zip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry: what its own header says (`local_*`) and what the table of contents says (`central_*`)."""

    payload: bytes
    method: int
    local_name: bytes
    central_name: bytes
    local_sizes: tuple[int, int]  # packed, unpacked
    central_sizes: tuple[int, int]
    crc: int
    flags: int = 0
    attributes: int = 0
    system: int = UNIX
    local_extra: bytes = b""
    central_extra: bytes = b""
    descriptor: bytes = b""
    disk: int = 0

    def local(self) -> bytes:
        packed, size = self.local_sizes
        crc = 0 if self.descriptor else self.crc
        head = struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, self.flags, self.method, 0, 0x21, crc, packed, size,
            len(self.local_name), len(self.local_extra),
        )  # fmt: skip
        return head + self.local_name + self.local_extra

    def central(self, offset: int) -> bytes:
        packed, size = self.central_sizes
        head = struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", self.system << 8 | 20, 20, self.flags, self.method, 0, 0x21, self.crc, packed,
            size, len(self.central_name), len(self.central_extra), 0, self.disk, 0, self.attributes, offset,
        )  # fmt: skip
        return head + self.central_name + self.central_extra


def entry(name: str | bytes, data: bytes = b"text\n", *, method: int = DEFLATE, mode: int = stat.S_IFREG) -> Entry:
    """An honest entry; `dataclasses.replace` it with lies."""
    raw = name if isinstance(name, bytes) else name.encode()
    payload = deflated(data) if method == DEFLATE else data
    sizes = (len(payload), len(data))
    return Entry(
        payload=payload,
        method=method,
        local_name=raw,
        central_name=raw,
        local_sizes=sizes,
        central_sizes=sizes,
        crc=binascii.crc32(data),
        flags=0 if raw.isascii() or isinstance(name, bytes) else UTF8_FLAG,
        attributes=(mode | 0o644) << 16,
    )


def end_record(entries: int, size: int, offset: int, *, comment: bytes = b"", disk: int = 0) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, entries, entries, size, offset, len(comment)) + comment


def zip64_end(entries: int, size: int, offset: int, position: int) -> bytes:
    """Zip64 end record, its locator, and the plain end record that points to them."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, position, 1)
    return record + locator + end_record(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def archive(*entries: Entry, prefix: bytes = b"", comment: bytes = b"", zip64: bool = False) -> bytes:
    """A zip of these entries. `prefix` moves everything without the offsets being corrected."""
    body, directory = b"", b""
    for item in entries:
        directory += item.central(len(body))
        body += item.local() + item.payload + item.descriptor
    if zip64:
        end = zip64_end(len(entries), len(directory), len(body), len(body) + len(directory))
    else:
        end = end_record(len(entries), len(directory), len(body), comment=comment)
    return prefix + body + directory + end


def text_archive(names: int = 5) -> bytes:
    """An honest archive of a few small texts."""
    return archive(*(entry(f"file{n}.txt", f"text number {n}\n".encode() * 20) for n in range(names)))


# Bombs.


def full_overlap(copies: int = 50) -> bytes:
    """Many names for one and the same data."""
    kernel = entry("kernel", bytes(200_000))
    body = kernel.local() + kernel.payload
    directory = b"".join(replace(kernel, central_name=b"copy%d" % n).central(0) for n in range(copies))
    return body + directory + end_record(copies, len(directory), len(body))


def quoted_overlap(copies: int = 50) -> bytes:
    """Each entry's data hold the next entry's header as quoted text and then go on as that entry's data.

    Headers agree with the table of contents and every entry unpacks with a right checksum: only the overlap shows.
    """
    entries = [entry("kernel", bytes(400_000))]
    data, unpacked = entries[0].payload, bytes(400_000)
    for number in range(copies):
        quoted = entries[0].local()
        data = struct.pack("<BHH", 0, len(quoted), len(quoted) ^ 0xFFFF) + quoted + data
        unpacked = quoted + unpacked
        sizes = (len(data), len(unpacked))
        honest = entry(f"copy{number}", b"")
        outer = replace(honest, payload=data, local_sizes=sizes, central_sizes=sizes, crc=binascii.crc32(unpacked))
        entries.insert(0, outer)
    body = entries[0].local() + data
    directory = b"".join(item.central(len(body) - len(item.payload) - len(item.local())) for item in entries)
    return body + directory + end_record(len(entries), len(directory), len(body))


def ratio_bomb(size: int = 20_000_000) -> bytes:
    """One honest entry of zeros, about a thousand times larger than its packed form."""
    return archive(entry("notes.txt"), entry("zeros.bin", bytes(size)))


def many_small_bombs(count: int = 100, size: int = 1_000_000) -> bytes:
    """Each entry too small to be asked for its ratio; together they are not."""
    return archive(*(entry(f"zeros{n}.bin", bytes(size)) for n in range(count)))


def claims_million_entries() -> bytes:
    """Says in its end record that it holds a million entries; there is not even a table of contents."""
    return b"PK\3\4" + bytes(1000) + zip64_end(1_000_000, 1000, 4, 1004)


def write_huge_listing(file: BinaryIO, entries: int = 500_000) -> None:
    """An archive whose table of contents really is that long, written piece by piece."""
    honest = entry("a", b"", method=STORED)
    file.write(honest.local())
    start = file.tell()
    listed = replace(honest, central_name=b"12345678").central(0).removesuffix(b"12345678")
    file.writelines(listed + b"%08d" % number for number in range(entries))
    position = file.tell()
    file.write(zip64_end(entries, position - start, start, position))


# Names, kinds and contradictions.


def named(*names: str | bytes) -> bytes:
    """Entries of these names, in this order."""
    return archive(*(entry(name, b"content of entry %d\n" % n) for n, name in enumerate(names)))


def of_kind(mode: int) -> bytes:
    return archive(entry("good.txt"), entry("odd", b"/etc/passwd", mode=mode))


def encrypted(flag_bits: int = ENCRYPTED_FLAG, method: int = DEFLATE) -> bytes:
    return archive(entry("good.txt"), replace(entry("secret.txt"), flags=flag_bits, method=method))


def two_ends() -> bytes:
    """A second whole archive in the comment of the first: some programs read one, some the other."""
    first = archive(entry("shown.txt"))
    second = archive(entry("hidden.txt"))
    moved = len(first)
    fake = entry("hidden.txt")
    body = fake.local() + fake.payload
    directory = fake.central(moved)
    second = body + directory + end_record(1, len(directory), moved + len(body))
    head = first[:-2] + struct.pack("<H", len(second))
    return head + second


def concatenated() -> bytes:
    return archive(entry("first.txt")) + archive(entry("second.txt"))


def zip64_contradiction() -> bytes:
    """A zip64 end record that lists other things than the plain one."""
    item = entry("a.txt")
    body = item.local() + item.payload
    directory = item.central(0)
    end64 = zip64_end(1, len(directory), len(body), len(body) + len(directory))[:-22]
    return body + directory + end64 + end_record(2, len(directory), len(body))


def nested(inner: bytes, name: str = "inner.zip", method: int = STORED) -> bytes:
    return archive(entry("readme.txt"), entry(name, inner, method=method))


def streamed(*, signature: bool = True) -> bytes:
    """Written to a pipe: zeros in the headers, the sizes after the data, as zip64, behind prefix junk."""
    items = []
    for number in range(3):
        item = entry(f"streamed{number}.txt", b"streamed text\n" * (number + 1))
        descriptor = (b"PK\7\x08" if signature else b"") + struct.pack("<L2Q", item.crc, *item.central_sizes)
        items.append(replace(item, flags=DESCRIPTOR_FLAG, local_sizes=(0, 0), descriptor=descriptor))
    return archive(*items, prefix=b"#!/bin/sh\nexit 0\n" + bytes(5000), zip64=True)


def wide_sizes() -> bytes:
    """A zip64 entry: its sizes stand in the extra field, in both headers."""
    item = entry("wide.txt", b"wide text\n")
    packed, size = item.central_sizes
    extra = struct.pack("<HHQQ", 1, 16, size, packed)
    unset = (0xFFFFFFFF, 0xFFFFFFFF)
    return archive(
        replace(item, local_sizes=unset, central_sizes=unset, local_extra=extra, central_extra=extra), zip64=True
    )


def one_bad_of_five(**lies: object) -> bytes:
    """Five texts of which the third lies as told."""
    items = [entry(f"file{n}.txt", f"text number {n}\n".encode() * 20) for n in range(5)]
    items[2] = replace(items[2], **lies)  # type: ignore[arg-type]
    return archive(*items)


HTML_PAGE = b"<!DOCTYPE html>\n<html><body><h1>404 Not Found</h1></body></html>\n"

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty upload": (bytes, "empty_file"),
    "empty with something in it": (lambda: text_archive() + archive(), "ambiguous_archive"),
    "empty with bytes before it": (lambda: bytes(100) + archive(), "ambiguous_archive"),
    "web page": (lambda: HTML_PAGE, "not_a_zip"),
    "random bytes": (lambda: bytes(range(256)) * 20, "not_a_zip"),
    "7z": (lambda: b"7z\xbc\xaf\x27\x1c" + bytes(100), "unsupported_archive"),
    "rar": (lambda: b"Rar!\x1a\x07\x01\x00" + bytes(100), "unsupported_archive"),
    "tar": (lambda: b"a.txt".ljust(257, b"\0") + b"ustar\0" + bytes(500), "unsupported_archive"),
    "gzip": (lambda: b"\x1f\x8b\x08" + bytes(100), "unsupported_archive"),
    "cut in half": (lambda: text_archive(40)[: len(text_archive(40)) // 2], "truncated_archive"),
    "cut in its end record": (lambda: text_archive()[:-5], "truncated_archive"),
    "cut behind an inner archive": (
        lambda: nested(text_archive())[: nested(text_archive()).rindex(b"PK\1\2")], "truncated_archive"
    ),
    "bytes missing from its middle": (lambda: text_archive()[:50] + text_archive()[80:], "truncated_archive"),
    "damaged listing": (lambda: text_archive().replace(b"PK\1\2", b"PK\1\3"), "corrupt_archive"),
    "listing shorter than counted": (lambda: text_archive().replace(b"\5\0\5\0", b"\6\0\6\0"), "corrupt_archive"),
    "first of several volumes": (lambda: b"PK\7\x08" + text_archive()[:200], "multi_volume"),
    "last of several volumes": (
        lambda: archive(entry("a.txt"))[:-22] + end_record(1, 52, 40, disk=2), "multi_volume"
    ),
    "entry on another volume": (lambda: archive(replace(entry("a.txt"), disk=3)), "multi_volume"),
    "up and out": (lambda: named("good.txt", "../../etc/cron.d/evil"), "unsafe_path"),
    "up and out in the middle": (lambda: named("a/../../evil.txt"), "unsafe_path"),
    "up with a space": (lambda: named(".. /evil.txt"), "unsafe_path"),
    "up with backslashes": (lambda: named("..\\..\\evil.txt"), "unsafe_path"),
    "absolute": (lambda: named("/etc/passwd"), "unsafe_path"),
    "drive": (lambda: named("C:/Windows/evil.dll"), "unsafe_path"),
    "drive with backslashes": (lambda: named("C:\\Windows\\evil.dll"), "unsafe_path"),
    "drive without a slash": (lambda: named("C:evil.dll"), "unsafe_path"),
    "network share": (lambda: named("\\\\server\\share\\evil.dll"), "unsafe_path"),
    "folder up and out": (lambda: archive(entry("good.txt"), entry("../up/", b"")), "unsafe_path"),
    "symbolic link": (lambda: of_kind(stat.S_IFLNK), "link_entry"),
    "block device": (lambda: of_kind(stat.S_IFBLK), "link_entry"),
    "character device": (lambda: of_kind(stat.S_IFCHR), "link_entry"),
    "link that says it is from DOS": (
        lambda: archive(replace(entry("odd", b"/etc/passwd", mode=stat.S_IFLNK), system=DOS)), "link_entry"
    ),
    "ZipCrypto": (encrypted, "encrypted_archive"),
    "strong encryption": (lambda: encrypted(ENCRYPTED_FLAG | 1 << 6), "encrypted_archive"),
    "AES": (lambda: encrypted(method=AES), "encrypted_archive"),
    "full overlap": (full_overlap, "overlapping_entries"),
    "quoted overlap": (quoted_overlap, "overlapping_entries"),
    "ratio bomb": (ratio_bomb, "ratio_exceeded"),
    "many small bombs": (many_small_bombs, "ratio_exceeded"),
    "claims a million entries": (claims_million_entries, "too_many_files"),
    "two end records": (two_ends, "ambiguous_archive"),
    "two archives in a row": (concatenated, "ambiguous_archive"),
    "zip64 says otherwise": (zip64_contradiction, "ambiguous_archive"),
}  # fmt: skip


def as_file(data: bytes) -> io.BytesIO:
    return io.BytesIO(data)

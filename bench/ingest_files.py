"""What the ingestion benchmarks read: archives of mixed and of many small files, and PDFs. Made from fixed seeds."""

from __future__ import annotations

import random
import struct
import zipfile
import zlib
from pathlib import Path

LINE = (
    "heron walrus telescope mirror eyepiece night cloud survey letter invoice river budget meeting summer engine "
    "harbour garden signal copper window market doctor village bridge station lantern yellow quiet seven"
)
WORDS = LINE.split()
MIB = 1024 * 1024


def prose(rng: random.Random, size: int) -> str:
    """About `size` characters of words in sentences and paragraphs."""
    words, length = [], 0
    while length < size:
        word = rng.choice(WORDS) + ("." if rng.random() < 0.08 else "") + ("\n\n" if rng.random() < 0.01 else "")
        words.append(word)
        length += len(word) + 1
    return " ".join(words)


def small_files(path: Path, count: int, seed: int, size: int = 2_000) -> Path:
    """A zip of `count` texts of about `size` bytes, all different."""
    rng = random.Random(seed)
    paragraphs = [prose(rng, size // 2) for _ in range(200)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for n in range(count):
            text = f"file {seed} {n} {rng.random()}\n\n{rng.choice(paragraphs)}\n\n{rng.choice(paragraphs)}"
            archive.writestr(f"folder{n // 500}/note{n}.txt", text)
    return path


def pdf(rng: random.Random, pages: int, noise: int = 0) -> bytes:
    """A PDF with a page of text on each of its pages, and a picture of `noise` bytes that can not be packed."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(pages))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for n in range(pages):
        lines = prose(rng, 2_500).replace("\n", " ")
        rows = [lines[i : i + 90] for i in range(0, len(lines), 90)][:50]
        text = "BT /F1 10 Tf 40 800 Td 14 TL " + " ".join(f"({row}) Tj T*" for row in rows) + " ET"
        packed = zlib.compress(text.encode())
        box = "/MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} /Contents {5 + 2 * n} 0 R >>".encode())
        objects.append(_stream(packed, "/Filter /FlateDecode"))
    if noise:
        objects.append(_stream(rng.randbytes(noise), ""))
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    return bytes(out) + f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()


def _stream(data: bytes, entries: str) -> bytes:
    return f"<< /Length {len(data)} {entries} >>\nstream\n".encode() + data + b"\nendstream"


def photo(rng: random.Random, size: int) -> bytes:
    """Something with a JPEG's beginning: a type that is stored and can not be read."""
    return b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + rng.randbytes(size)


def mixed(path: Path, size: int, seed: int = 1) -> Path:
    """A zip of about `size` bytes: scanned PDFs with text, texts, tables, pages, photographs, from 20 kB to 40 MB."""
    rng = random.Random(seed)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        n = 0
        while path.stat().st_size < size - 45 * MIB:
            n += 1
            archive.writestr(f"{n}/scan.pdf", pdf(rng, rng.randint(2, 30), rng.choice((1, 4, 20, 40)) * MIB))
            archive.writestr(f"{n}/letter.pdf", pdf(rng, rng.randint(1, 8)))
            archive.writestr(f"{n}/text.txt", f"{n}\n" + prose(rng, rng.choice((20_000, 200_000, 1_000_000))))
            archive.writestr(f"{n}/page.html", f"<h1>{n}</h1><p>" + prose(rng, 50_000).replace("\n\n", "<p>"))
            rows = (f"{row},{rng.random()},{rng.choice(WORDS)}" for row in range(5_000))
            archive.writestr(f"{n}/table.csv", "number,value,word\n" + "\n".join(rows))
            archive.writestr(f"{n}/photo.jpg", photo(rng, rng.choice((2, 8, 15)) * MIB))
    return path

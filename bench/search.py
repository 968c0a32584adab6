"""Full-text search over 1,000,000 chunks: how long each kind of query takes, from the call to its answer.

One owner has nine tenths of the chunks, a hundred others have a thousandth each. The texts are made of 20,000 pieces of
1,200 characters, whose words are as unevenly distributed as those of a language; each chunk has a rare word of its own.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measure import percentile
from bench.run import Run

CHUNKS, PER_DOCUMENT, PIECES = 1_000_000, 10, 20_000
WORDS = 40_000
NEVER_WRITTEN = "a phrase of common words that nobody wrote"
ALL, ONE = 1, 2  # owners: the one with nine tenths, one of the others
WARM, QUERIES = 10, 100
SLICE = 50_000
DATABASE = "bench_search"

PIECES_TABLE = "create unlogged table piece (id integer primary key, text text, vector tsvector)"
ROWS = """
insert into auth_user (id, username, password, is_superuser, is_staff, is_active, first_name, last_name, email,
        date_joined)
    select n, 'owner' || n, '', false, false, true, '', '', '', now() from generate_series(1, 101) n;
insert into ingestion_blob (id, sha256, size, storage_key, created_at)
    select n, md5(n::text) || md5(n::text), 12000, 'none', now() from generate_series(1, {documents}) n;
insert into ingestion_intake (id, owner_id, kind, status, stage, percent, message, waiting_reason, filename, size,
        planned_files, tags, priority, options, counts, client_digest, correlation_id, error_code, error_message,
        created_at, unpacked_at, finished_at)
    select n, case when n % 10 = 0 then 2 + n / 10 % 100 else 1 end, 'files', 'completed', 'completed', 100, '', '', '',
        1, 100, '{{}}', 0, '{{}}', '{{}}', '', '', '', '', now(), now(), now()
    from generate_series(0, {documents} / 100) n;
insert into ingestion_document (id, owner_id, title, blob_id, tags, type, content_type, text_status, text_reason,
        text_note,
        text_length, chunk_count, extractor, warnings, km_ref, created_at, indexed_at)
    select d.n, i.owner_id, 'Document ' || d.n, d.n,
        array['tag' || d.n % 20] || case when d.n % 1000 = 7 then array['special'] else '{{}}' end,
        case when d.n % 5 = 0 then 'docx' else 'pdf' end, '', 'ok', '', '', 12000, 10, '', '[]', '',
        timestamptz '2024-12-01' + interval '1 day' * (d.n * 720 / {documents}), now()
    from generate_series(1, {documents}) d(n) join ingestion_intake i on i.id = d.n / 100;
insert into ingestion_ingestfile (intake_id, ordinal, source_path, safe_name, tags, size, depth, blob_id, document_id,
        stage, outcome, percent, message, waiting_reason, error_code, error_message, hint)
    select id / 100, id % 100, 'document' || id, 'document' || id || '.pdf', tags, 12000, 0, id, id,
        'completed', 'completed', 100, '', '', '', '', ''
    from ingestion_document;
"""
CHUNK_ROWS = """
insert into ingestion_chunk (document_id, index, page, text, facets, search_vector)
select d.id, n % {each}, n % {each} + 1, p.text || ' rare' || n,
    array['owner:' || d.owner_id, 'type:' || d.type, to_char(d.created_at at time zone 'UTC', '"month:"YYYY-MM'),
        'shelf:' || d.id / 256, 'intake:' || d.id / 100] || (select array_agg('tag:' || t) from unnest(d.tags) t),
    p.vector || to_tsvector('english', 'rare' || n)
from generate_series({first}, {last}) n
join ingestion_document d on d.id = n / {each} + 1
join piece p on p.id = n::bigint * 7919 % {pieces}
"""


def measure(run: Run) -> None:
    """The workload `search`."""
    run.server.fresh(DATABASE)
    os.environ.update(run.server.env(DATABASE))
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    began = time.monotonic()
    build(run, run.size(CHUNKS))
    run.results.notes["search build seconds"] = f"{time.monotonic() - began:.0f}"
    server = backend()
    for name, queries in kinds(run.size(CHUNKS)).items():
        for one in queries(WARM):
            one()
        took, worked = [], []
        for one in queries(QUERIES):
            before = cpu_seconds(server)
            took.append(one())
            worked.append(cpu_seconds(server) - before)
        run.say(
            "search",
            name,
            p50_ms=percentile(took, 0.5) * 1000,
            p95_ms=percentile(took, 0.95) * 1000,
            cpu_p95_ms=percentile(worked, 0.95) * 1000,
        )


def backend() -> int:
    """The process that serves our connection."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        return int(cursor.fetchone()[0])


def cpu_seconds(server: int) -> float:
    """What it and we have computed so far: on a machine that others use too, this says more than the clock."""
    return int(Path(f"/proc/{server}/schedstat").read_text().split()[0]) / 1e9 + time.process_time()


def build(run: Run, chunks: int) -> None:
    """Fill the tables; the index is made at the end, as for a restored database."""
    with run.server.connect(DATABASE) as connection:
        connection.execute("set maintenance_work_mem = '1GB'")
        connection.execute("set synchronous_commit = off")
        index = connection.execute("select pg_get_indexdef('ingestion_chunk_search'::regclass)").fetchone()
        assert index is not None
        connection.execute("drop index ingestion_chunk_search")
        connection.execute(PIECES_TABLE)
        with connection.cursor() as cursor, cursor.copy("copy piece (id, text) from stdin") as copy:
            for row in pieces():
                copy.write_row(row)
        connection.execute("update piece set vector = to_tsvector('english', text)")
        connection.execute(ROWS.format(documents=chunks // PER_DOCUMENT))
        for first in range(0, chunks, SLICE):
            last = min(first + SLICE, chunks) - 1
            connection.execute(CHUNK_ROWS.format(each=PER_DOCUMENT, pieces=PIECES, first=first, last=last))
        print("    rows are there", flush=True)
        connection.execute(index[0])
        connection.execute("vacuum analyze ingestion_chunk")
    run.server.settle(DATABASE)


def pieces() -> Iterator[tuple[int, str]]:
    """Texts: Zipf's law over made-up words, and a few words of which it is known how many have them."""
    dice = random.Random(1)
    words = [spelled(n) for n in range(WORDS)]
    weights = [1 / (n + 3) for n in range(WORDS)]
    for number in range(PIECES):
        text = dice.choices(words, weights, k=165)
        for word, share in (("contract", 0.5), ("report", 0.5), ("supplier", 0.05), ("heron", 0.01), ("egret", 0.01)):
            if dice.random() < share:
                text[dice.randrange(165)] = word
        if dice.random() < 0.02:
            text[dice.randrange(165)] = "annual report"
        elif dice.random() < 0.2:
            text[dice.randrange(165)] = "annual"
        yield number, " ".join(text)


def spelled(number: int) -> str:
    """A word that no other number has and that can be spoken."""
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    word = ""
    while number or len(word) < 4:
        number, rest = divmod(number, len(syllables))
        word += syllables[rest]
    return word


Queries = Callable[[int], Iterator[Callable[[], float]]]


def kinds(chunks: int) -> dict[str, Queries]:
    """Each kind of query by its name."""
    dice = random.Random(2)

    def word(low: int, high: int) -> str:
        return spelled(dice.randrange(low, high))

    texts: dict[str, Callable[[], str]] = {
        "a word in one chunk": lambda: f"rare{dice.randrange(chunks)}",
        "a word of the vocabulary, by its frequency": lambda: spelled(int(WORDS ** dice.random()) - 1),
        "a word in 1 % of the chunks": lambda: dice.choice(("heron", "egret")),
        "a word in 5 %": lambda: "supplier",
        "a word in half of them": lambda: dice.choice(("contract", "report")),
        "two words in half of them each": lambda: "contract report",
        "two words of the vocabulary": lambda: f"{word(0, 2000)} {word(0, 2000)}",
        "a common word and a rare one": lambda: f"contract {word(2000, WORDS)}",
        "two words in 1 % each": lambda: "heron egret",
        "either of two common words": lambda: "contract OR report",
        "one common word without another": lambda: "contract -report",
        "a phrase in 2 %": lambda: '"annual report"',
        "a phrase of two words of the vocabulary": lambda: f'"{word(50, 2000)} {word(50, 2000)}"',
        NEVER_WRITTEN: lambda: '"contract annual"',
    }
    month = {"since": datetime(2025, 3, 1, tzinfo=UTC), "until": datetime(2025, 3, 31, tzinfo=UTC)}
    narrow: dict[str, tuple[str, dict[str, Any]]] = {
        "half, with a tag of 5 %": ("contract", {"tags": ["tag3"]}),
        "half, with a tag of 0.1 %": ("contract", {"tags": ["special"]}),
        "half, of a type of 20 %": ("contract", {"types": ["docx"]}),
        "half, in one intake": ("contract", {"intake": 11}),
        "half, in one month": ("contract", month),
        "1 %, tag, type and month": ("heron", {"tags": ["tag5"], "types": ["docx"], **month}),
    }
    found = {f"{name}; 900,000": asked(ALL, text) for name, text in texts.items()}
    found |= {f"{name}; 900,000": asked(ALL, lambda q=q: q, **more) for name, (q, more) in narrow.items()}
    found["half, third page; 900,000"] = third_page(ALL, "contract")
    for name in ("a word in one chunk", "a word in 1 % of the chunks", "a word in half of them", "a phrase in 2 %"):
        found[f"{name}; one of many"] = asked(ONE, texts[name])
    return found


def asked(owner: int, text: Callable[[], str], **more: Any) -> Queries:
    """Searches of one kind, each to be called for its seconds."""

    def queries(count: int) -> Iterator[Callable[[], float]]:
        for _ in range(count):
            yield lambda: seconds(owner, text(), **more)[0]

    return queries


def third_page(owner: int, q: str) -> Queries:
    """The page behind the page behind the first."""

    def queries(count: int) -> Iterator[Callable[[], float]]:
        _, cursor = seconds(owner, q)
        _, cursor = seconds(owner, q, cursor=cursor)
        for _ in range(count):
            yield lambda: seconds(owner, q, cursor=cursor)[0]

    return queries


def seconds(owner: int, q: str, cursor: str | None = None, **more: Any) -> tuple[float, str | None]:
    """How long a search takes, and the cursor that it gives."""
    from ingestion.search.matching import Narrowing
    from ingestion.search.query import search

    started = time.perf_counter()
    page = search(owner, q, cursor=cursor, narrowing=Narrowing(**more))
    return time.perf_counter() - started, page.next_cursor

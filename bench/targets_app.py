"""What ingestion and the operator's desk must reach."""

from __future__ import annotations

from bench import desk, ingest, km, resumable, s3
from bench.search import NEVER_WRITTEN
from bench.target import Target, value

TARGETS = (
    Target(
        text="ingestion: resident set of the largest process with a zip of 2 GiB",
        workload="ingest",
        at_most=300,
        unit="MiB",
        measure=value("ingest", ingest.BIG, "rss_mib"),
    ),
    Target(
        text="ingestion: unzip and hash ÷ unzip -p | sha256sum",
        workload="ingest",
        at_least=0.6,
        measure=value("ingest", ingest.UNZIP, "ratio"),
    ),
    Target(
        text="ingestion: 10,000 small files",
        workload="ingest",
        at_least=150,
        unit="/s",
        measure=value("ingest", ingest.SMALL, "rate"),
    ),
    Target(
        text="ingestion: PDF text ÷ bare pypdfium2",
        workload="ingest",
        at_least=0.8,
        measure=value("ingest", ingest.PDFS, "ratio"),
    ),
    Target(
        text="ingestion: time per file, the 100,000th ÷ the 1,000th",
        workload="ingest",
        at_most=1.1,
        measure=value("ingest", ingest.HISTORY, "time_ratio"),
    ),
    Target(
        text="a resumable upload of 2 GiB ÷ curl -T to a plain server",
        workload="resumable",
        at_least=0.6,
        measure=value("resumable", resumable.ROW, "ratio"),
    ),
    Target(
        text="resident set of the largest web process with it",
        workload="resumable",
        at_most=150,
        unit="MB",
        measure=value("resumable", resumable.ROW, "rss_mb"),
    ),
    Target(
        text="knowledge store: HttpKM sends a file of 1 GiB ÷ curl",
        workload="km",
        at_least=0.7,
        measure=value("km", km.ROW, "ratio"),
    ),
    Target(
        text="knowledge store: growth of the sending process",
        workload="km",
        at_most=60,
        unit="MiB",
        measure=value("km", km.ROW, "growth_mib"),
    ),
    Target(
        text="operator's desk on a full queue: p95 of the slowest page",
        workload="desk",
        at_most=300,
        unit="ms",
        measure=value("desk", desk.PAGES, "p95_ms"),
    ),
    Target(
        text="fifty viewers of the overview: reads of the queue",
        workload="desk",
        at_most=1,
        unit="sets of queries/s",
        measure=value("desk", desk.VIEWERS, "query_sets_per_second"),
    ),
    Target(
        text="requeue of all dead letters: the request",
        workload="desk",
        at_most=300,
        unit="ms",
        measure=value("desk", desk.REQUEUE, "request_ms"),
    ),
    Target(
        text="requeue of all dead letters: items behind it",
        workload="desk",
        at_least=5000,
        unit="/s",
        measure=value("desk", desk.REQUEUE, "requeued_rate"),
    ),
    Target(
        text="requeue of all dead letters: claims meanwhile ÷ before and after",
        workload="desk",
        at_least=0.9,
        measure=value("desk", desk.REQUEUE, "ratio"),
    ),
    Target(
        text="search over 1,000,000 chunks: p95 of the slowest kind of query",
        workload="search",
        at_most=100,
        unit="ms",
        measure=lambda results: max(
            (max(found["p95_ms"]) for row, found in results.values["search"].items() if NEVER_WRITTEN not in row),
            default=None,
        ),
    ),
    *(
        target
        for row in (s3.PUT, s3.GET)
        for target in (
            Target(text=f"S3: {row} ÷ boto3's own", workload="s3", at_least=0.7, measure=value("s3", row, "ratio")),
            Target(
                text=f"S3: {row}, memory above that of a sixteenth of it",
                workload="s3",
                at_most=32,
                unit="MiB",
                measure=value("s3", row, "growth_mib"),
            ),
        )
    ),
)

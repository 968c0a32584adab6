-- Have the rows of these limits say what the settings say. A new bucket is full; one that got smaller is full at most. A
-- row that says it already is not locked: each enqueue asks, and whoever claims leaves out what is locked.
insert into docqueue_limit as l (key, rate, burst, tokens, refilled_at, failures_to_open, open_seconds)
select key, rate, burst, coalesce(burst, 0), coalesce(%(now)s::timestamptz, clock_timestamp()), failures, open_seconds
from unnest(%(keys)s::text[], %(rates)s::float8[], %(bursts)s::float8[], %(failures)s::int[], %(open_seconds)s::float8[])
    as said (key, rate, burst, failures, open_seconds)
where not exists (
    select from docqueue_limit known where known.key = said.key and (known.rate, known.burst, known.failures_to_open, known.open_seconds)
        is not distinct from (said.rate, said.burst, said.failures, said.open_seconds))
order by key collate "C"
on conflict (key) do update set
    rate = excluded.rate, burst = excluded.burst, tokens = least(l.tokens, excluded.burst),
    failures_to_open = excluded.failures_to_open, open_seconds = excluded.open_seconds,
    opened_at = case when excluded.failures_to_open is not null then l.opened_at end

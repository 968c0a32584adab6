-- Take keys for items that are about to be inserted, each for its lifetime; returns those that nobody had. In one order
-- for everybody, so that two callers who want the same keys never wait for each other in a circle.
insert into docqueue_key (key, item_id, lifetime, expires_at, created_at)
select key, item_id, lifetime, now + make_interval(secs => seconds), now
from unnest(%(keys)s::text[], %(item_ids)s::bigint[], %(lifetimes)s::text[], %(seconds)s::float8[])
        as wanted (key, item_id, lifetime, seconds),
    (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) clock
order by key collate "C"
on conflict (key) do nothing
returning key

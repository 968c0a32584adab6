-- Take unique keys for items that are about to be inserted; returns those that nobody had. In one order for everybody,
-- so that two callers who want the same keys never wait for each other in a circle.
insert into docqueue_key (key, item_id, lifetime, created_at)
select key, item_id, 'finished', coalesce(%(now)s::timestamptz, clock_timestamp())
from unnest(%(keys)s::text[], %(item_ids)s::bigint[]) as wanted (key, item_id)
order by key collate "C"
on conflict (key) do nothing
returning key

-- How many rows the statistics say that each of the history's partitions has; none where they say nothing yet.
select c.relname, greatest(c.reltuples, 0)::bigint
from pg_inherits h join pg_class c on c.oid = h.inhrelid
where h.inhparent = 'docqueue_history'::regclass

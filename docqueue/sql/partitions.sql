-- Names of the history's partitions with their bounds as text.
select c.relname, pg_get_expr(c.relpartbound, c.oid)
from pg_inherits h join pg_class c on c.oid = h.inhrelid
where h.inhparent = 'docqueue_history'::regclass
order by c.relname

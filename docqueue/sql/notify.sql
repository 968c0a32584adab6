-- Wake the idle workers of these queues.
select pg_notify('docqueue', queue) from unnest(%(queues)s::text[]) as queue

-- Live workers (not callers) and the queues they serve.
select id, queues from docqueue_worker
where lost_at is null and stopped_at is null and kind = 'worker'
    and lease_expires_at >= (select coalesce(%(now)s::timestamptz, clock_timestamp()))

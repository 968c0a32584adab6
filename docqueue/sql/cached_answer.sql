-- The newest item of this operation, unique key and payload that was completed within so many seconds.
select h.id from docqueue_history h
where h.operation = %(operation)s and h.unique_key = %(unique_key)s and h.status = 'completed'
    -- once, before the scan: so partitions that are older are not looked into
    and h.finished_at > (select coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(secs => %(seconds)s))
    and h.payload = %(payload)s::jsonb
order by h.finished_at desc limit 1

-- Note what a person asks of a live worker ("quiet", "stop"; null: nothing any more), which it reads at its next look (look.sql).
-- A stop is final. No row: it is no worker, it lives no more, it was asked to stop, or that is what it was asked already.
update docqueue_worker set
    asked = %(asked)s::text,
    asked_at = case when %(asked)s::text is not null then coalesce(%(now)s::timestamptz, clock_timestamp()) end,
    asked_by = %(by)s
where id = %(worker_id)s and kind = 'worker' and lost_at is null and stopped_at is null
    and asked is distinct from 'stop' and asked is distinct from %(asked)s::text
    and lease_expires_at >= (select coalesce(%(now)s::timestamptz, clock_timestamp()))
returning name

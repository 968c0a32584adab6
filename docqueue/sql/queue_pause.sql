-- Pause a queue, or say anew who pauses it and why. Returns since when it is.
insert into docqueue_queue (name, paused_at, paused_reason, paused_by, options)
values (%(name)s, (select coalesce(%(now)s::timestamptz, clock_timestamp())), %(reason)s, %(by)s, '{}')
on conflict (name) do update set
    paused_at = coalesce(docqueue_queue.paused_at, excluded.paused_at),
    paused_reason = excluded.paused_reason, paused_by = excluded.paused_by
returning paused_at

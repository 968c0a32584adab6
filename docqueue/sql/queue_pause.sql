-- Pause a queue, or say anew why it is paused. Returns since when it is.
insert into docqueue_queue (name, paused_at, paused_reason, options)
values (%(name)s, (select coalesce(%(now)s::timestamptz, clock_timestamp())), %(reason)s, '{}')
on conflict (name) do update set
    paused_at = coalesce(docqueue_queue.paused_at, excluded.paused_at), paused_reason = excluded.paused_reason
returning paused_at

-- Count one queue's items of one kind in full, in an index, unless somebody has done so lately or is at it. ("id > 0": see
-- stats_live.sql.)
insert into docqueue_depth (queue, status, number, counted_at)
select %(queue)s, %(kind)s,
    case %(kind)s
        when 'pending' then (
            select count(*) from docqueue_item where status = 'pending' and not returned and queue = %(queue)s
        ) + (select count(*) from docqueue_item where status = 'pending' and returned and queue = %(queue)s)
        when 'in_progress' then (select count(*) from docqueue_item where status = 'in_progress' and queue = %(queue)s)
        when 'dead' then (select count(*) from docqueue_item where status = 'dead' and id > 0 and queue = %(queue)s)
        when 'retrying' then (
            select count(*) from docqueue_item where status = 'waiting' and id > 0 and wait_reason = 'retry' and queue = %(queue)s)
        else (
            select count(*) from docqueue_item
            where status = 'waiting' and id > 0 and wait_reason = any(%(reasons)s) and queue = %(queue)s)
    end,
    (select coalesce(%(now)s::timestamptz, clock_timestamp()))
where not exists (
    select from docqueue_depth d
    where d.queue = %(queue)s and d.status = %(kind)s
        and d.counted_at > (select coalesce(%(now)s::timestamptz, clock_timestamp())) - make_interval(secs => %(fresh)s)
) and pg_try_advisory_xact_lock(%(lock_class)s + 7, hashtext(%(queue)s || %(kind)s) & 1023)
on conflict (queue, status) do update set number = excluded.number, counted_at = excluded.counted_at

-- Remove old worker rows that hold nothing.
delete from docqueue_worker w
where coalesce(w.lost_at, w.stopped_at) < (select coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(days => %(days)s))
    and not exists (select from docqueue_item i where i.worker_id = w.id and i.status = 'in_progress')

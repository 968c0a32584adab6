-- Have the reaper look at a swept worker again that holds something all the same.
update docqueue_worker w set swept_at = null
where w.swept_at is not null
    and exists (select from docqueue_item i where i.worker_id = w.id and i.status = 'in_progress')

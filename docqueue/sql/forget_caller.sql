-- Remove the lease row of a caller outside a worker once it holds nothing.
delete from docqueue_worker w
where w.id = %(worker_id)s and w.kind = 'caller'
    and not exists (select from docqueue_item i where i.worker_id = w.id and i.status = 'in_progress')

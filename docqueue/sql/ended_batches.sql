-- The next sealed batches, by id, of which nothing is left that could still run.
select b.id from docqueue_batch b
where b.finished_at is null and b.id > %(after)s and b.sealed_at is not null
    and not exists (select from docqueue_item i where i.batch_id = b.id and i.status <> 'dead')
order by b.id limit %(limit)s

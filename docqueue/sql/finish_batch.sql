-- Finish a sealed batch of which nothing is left that could still run. Returns its outcome, and what is to be enqueued now.
-- No row: something is left, or somebody else has finished it or is about to. (Who sees it sealed sees all its items.)
with mine as materialized (
    select id from docqueue_batch
    where id = %(batch_id)s and sealed_at is not null and finished_at is null
    for update skip locked
)
update docqueue_batch b set
    finished_at = coalesce(%(now)s::timestamptz, clock_timestamp()),
    outcome = case
        when exists (select from docqueue_item i where i.batch_id = b.id and i.status = 'dead')
            or exists (select from docqueue_history h where h.batch_id = b.id and h.status = 'cancelled') then 'failed'
        else 'completed' end
from mine
where b.id = mine.id and not exists (select from docqueue_item i where i.batch_id = b.id and i.status <> 'dead')
returning b.outcome, (case b.outcome when 'failed' then b.on_failure else b.on_complete end)::text

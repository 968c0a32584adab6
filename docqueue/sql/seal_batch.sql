-- Seal a batch: waits for those who are adding to it right now. No row: it is sealed already, or there is none.
update docqueue_batch set sealed_at = coalesce(%(now)s::timestamptz, clock_timestamp())
where id = %(batch_id)s and sealed_at is null
returning id

-- Give an item that has not started another payload. No row: it has, or it is dead or gone.
update docqueue_item set payload = %(payload)s::jsonb, metadata = %(metadata)s::jsonb
where id = %(item_id)s and status in ('waiting', 'pending')
returning id, status, wait_reason

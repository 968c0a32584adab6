-- Insert one item with an ordering key at the end of the key's line, whoever holds the key or does not.
insert into docqueue_item (
    queue, priority, status, wait_reason, operation, document_id, ordering_key, unique_key, payload, metadata,
    max_attempts, timeout_seconds, run_after, enqueued_at)
values (
    %(queue)s, %(priority)s, 'waiting', 'ordering', %(operation)s, %(document_id)s, %(ordering_key)s, %(unique_key)s,
    %(payload)s, %(metadata)s, %(max_attempts)s, %(timeout_seconds)s, %(run_after)s,
    coalesce(%(now)s::timestamptz, clock_timestamp()))
returning id, status, wait_reason

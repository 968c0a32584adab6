-- Insert one item without an ordering key that is due: it is pending at once. `wake`: workers are told by its commit.
insert into docqueue_item (
    queue, priority, position, status, operation, document_id, unique_key, payload, metadata, max_attempts,
    timeout_seconds, run_after, enqueued_at)
values (
    %(queue)s, %(priority)s, nextval('docqueue_position_seq'), 'pending', %(operation)s, %(document_id)s,
    %(unique_key)s, %(payload)s, %(metadata)s, %(max_attempts)s, %(timeout_seconds)s, %(run_after)s,
    coalesce(%(now)s::timestamptz, clock_timestamp()))
returning id, status, wait_reason, case when %(wake)s then pg_notify('docqueue', queue) end

-- Let a paused queue go on. No row: it is not paused.
update docqueue_queue set paused_at = null, paused_reason = '', paused_by = ''
where name = %(name)s and paused_at is not null
returning name

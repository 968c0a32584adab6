-- Let a paused schedule go on at its next tick from now.
update docqueue_schedule set paused_at = null, paused_reason = '', next_at = %(next_at)s
where name = %(name)s and paused_at is not null

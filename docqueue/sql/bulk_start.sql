-- Note a bulk operation that is to be done. `last_id` and `created_at` freeze what it is about.
insert into docqueue_bulk (action, filter, options, state, actor, reason, created_at, last_id, total)
values (%(action)s, %(filter)s::jsonb, %(options)s::jsonb, 'running', %(actor)s, %(reason)s, %(created_at)s, %(last_id)s, %(total)s)
returning id

-- Write down what a person did.
insert into docqueue_audit (at, actor, action, item_id, filter, count, reason)
values (coalesce(%(now)s::timestamptz, clock_timestamp()), %(actor)s, %(action)s, %(item_id)s, %(filter)s::jsonb,
    %(count)s, %(reason)s)

-- Have a schedule go on from the tick it is at to the next, and note the item of the tick that was taken, if one was: then what
-- kept an earlier one from being enqueued is forgotten.
with taken as (
    update docqueue_schedule_tick set item_id = %(item_id)s where id = %(tick_id)s
)
update docqueue_schedule set
    next_at = %(following)s,
    last_error = case when %(tick_id)s::bigint is null then last_error end,
    last_error_at = case when %(tick_id)s::bigint is null then last_error_at end
where id = %(schedule_id)s and next_at = %(next_at)s

-- Have a schedule go on from the tick it is at to the next, and note the item of the tick that was taken, if one was.
with taken as (
    update docqueue_schedule_tick set item_id = %(item_id)s where id = %(tick_id)s
)
update docqueue_schedule set next_at = %(following)s where id = %(schedule_id)s and next_at = %(next_at)s

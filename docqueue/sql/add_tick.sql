-- Take one tick of a schedule: no row when it was taken before.
insert into docqueue_schedule_tick (schedule_id, tick_at) values (%(schedule_id)s, %(tick_at)s)
on conflict (schedule_id, tick_at) do nothing
returning id

-- Take a unique key for the item that is about to be inserted; no row when somebody has it.
insert into docqueue_key (key, item_id, lifetime, created_at)
values (%(key)s, 0, 'finished', coalesce(%(now)s::timestamptz, clock_timestamp()))
on conflict (key) do nothing
returning key

-- Make a batch, open for items, with what is to be enqueued when all of them have ended.
insert into docqueue_batch (name, on_complete, on_failure, created_at)
values (%(name)s, %(on_complete)s::jsonb, %(on_failure)s::jsonb, coalesce(%(now)s::timestamptz, clock_timestamp()))
returning id

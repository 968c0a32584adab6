-- The next concurrency keys, in order, that somebody waits for: a walk from key to key, not over the items.
with recursive line as (
    (select slot_key from docqueue_item
     where status = 'waiting' and wait_reason = 'concurrency' and slot_key > %(after)s
     order by slot_key limit 1)
    union all
    select (
        select i.slot_key from docqueue_item i
        where i.status = 'waiting' and i.wait_reason = 'concurrency' and i.slot_key > l.slot_key
        order by i.slot_key limit 1)
    from line l where l.slot_key is not null
)
select slot_key from line where slot_key is not null limit %(limit)s

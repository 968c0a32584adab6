-- The next ordering keys, in order, that have somebody in line: a walk from key to key, not over the items.
with recursive line as (
    (select ordering_key from docqueue_item
     where status = 'waiting' and wait_reason = 'ordering' and ordering_key > %(after)s
     order by ordering_key limit 1)
    union all
    select (
        select i.ordering_key from docqueue_item i
        where i.status = 'waiting' and i.wait_reason = 'ordering' and i.ordering_key > l.ordering_key
        order by i.ordering_key limit 1)
    from line l where l.ordering_key is not null
)
select ordering_key from line where ordering_key is not null limit %(limit)s

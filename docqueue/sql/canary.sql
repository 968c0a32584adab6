-- What became of a bulk operation's first items: how many are done, and one that failed again or was cancelled, with its code.
with asked as materialized (
    select unnest(%(ids)s::bigint[]) as id
), failed as materialized (
    select i.id, coalesce(i.error_code, '') as code
    from asked a join docqueue_item i on i.id = a.id
    where i.status = 'dead' or i.status = 'waiting' and i.wait_reason = 'retry'
    union all
    select h.id, 'cancelled' from asked a join docqueue_history h on h.id = a.id where h.status = 'cancelled'
    order by id limit 1
)
select (select count(*) from asked a where not exists (select from docqueue_item i where i.id = a.id)), (select id from failed), (select code from failed)

-- Mark every worker whose lease ran out as lost, once and for ever. A last row without an id: there are workers that ended
-- and are not swept yet. No row at all: there is nothing to reap.
with expired as materialized (
    select id from docqueue_worker
    where lost_at is null and stopped_at is null
        and lease_expires_at < (select coalesce(%(now)s::timestamptz, clock_timestamp()))
    order by id for update skip locked
), marked as (
    update docqueue_worker w set lost_at = coalesce(%(now)s::timestamptz, clock_timestamp())
    from expired e where w.id = e.id
    returning w.id, w.name
)
select id, name from marked
union all
select null, null where exists (
    select from docqueue_worker where (lost_at is not null or stopped_at is not null) and swept_at is null)

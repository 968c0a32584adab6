-- Mark every worker whose lease ran out as lost, once and for ever.
with expired as materialized (
    select id from docqueue_worker
    where lost_at is null and stopped_at is null
        and lease_expires_at < (select coalesce(%(now)s::timestamptz, clock_timestamp()))
    order by id for update skip locked
)
update docqueue_worker w set lost_at = coalesce(%(now)s::timestamptz, clock_timestamp())
from expired e where w.id = e.id
returning w.id, w.name

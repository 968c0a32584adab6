-- Renew the lease of a caller's claim, if that claim is still the newest of its item.
update docqueue_worker w set
    heartbeat_at = clock.now, lease_expires_at = clock.now + make_interval(secs => %(lease_seconds)s)
from (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) clock
where w.id = %(worker_id)s and w.lost_at is null and w.stopped_at is null
    and exists (
        select from docqueue_item i
        where i.id = %(item_id)s and i.claim_token = %(token)s)
returning w.id

-- How long the newest items of one queue waited that finished within the last hour: from when each was due until it was
-- claimed, of those that were claimed once. No index over the history has the queue: the totals say in which ten seconds
-- something of it ended (those under worker 0: in which minute or so), and there it is looked for, in the newest `buckets` of
-- them, among `looked_at` items of all queues at most in each.
with told as materialized (
    select at, bool_or(worker_id <> 0) as worker
    from docqueue_finished_total
    where queue = %(queue)s and completed > 0
        and at > (select coalesce(%(now)s::timestamptz, clock_timestamp()) - interval '1 hour')
    group by at order by at desc limit %(buckets)s
), found as materialized (
    select distinct f.id, f.seconds
    from told t cross join lateral (
        select h.id, h.queue, h.claim_no,
            greatest(0, extract(epoch from h.claimed_at - greatest(h.enqueued_at, h.run_after)))::float8 as seconds
        from docqueue_history h
        where h.finished_at >= t.at - interval '2 seconds'
            and h.finished_at < t.at + case when t.worker then interval '12 seconds' else interval '70 seconds' end
        order by h.finished_at desc, h.id desc limit %(looked_at)s
    ) f
    where f.queue = %(queue)s and f.claim_no = 1 and f.seconds is not null
)
select count(*), percentile_cont(0.5) within group (order by seconds), percentile_cont(0.95) within group (order by seconds)
from found

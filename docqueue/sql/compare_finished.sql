-- Compare what was counted between two times with the history, add what is missing or too much under worker 0, and move the
-- mark, unless somebody else has moved it meanwhile (no row then; else the last row's queue is null). Per queue that
-- differs: what was added; how many of the history's no worker could have counted (callers, people, the reaper), without
-- those that bulk operations have (a worker below 0); and how many ended within `edge` seconds before either time, which a
-- worker may have counted on the other side of it.
with mark as materialized (
    select id from docqueue_depth
    where queue = '' and status = %(mark)s and counted_at = %(seen)s
        and number <= extract(epoch from (select coalesce(%(now)s::timestamptz, clock_timestamp()))) - %(pause)s
    for update skip locked
), said as (
    select queue, sum(completed) as completed, sum(cancelled) as cancelled,
        coalesce(sum(completed + cancelled) filter (where worker_id < 0), 0) as bulk
    from docqueue_finished_total
    where at >= %(lo)s and at < %(hi)s and exists (select from mark)
    group by queue
), found as (
    select h.queue,
        count(*) filter (where h.finished_at >= %(lo)s and h.status = 'completed') as completed,
        count(*) filter (where h.finished_at >= %(lo)s and h.status = 'cancelled') as cancelled,
        count(*) filter (where h.finished_at >= %(lo)s and w.id is null) as apart,
        count(*) filter (where h.finished_at < %(lo)s) as before,
        count(*) filter (where h.finished_at >= %(hi)s::timestamptz - make_interval(secs => %(edge)s)) as after
    from docqueue_history h
    left join docqueue_worker w on w.id = h.worker_id and w.kind = 'worker'
        and h.finished_at <= coalesce(w.lost_at, w.stopped_at, 'infinity')
    where h.finished_at >= %(lo)s::timestamptz - make_interval(secs => %(edge)s) and h.finished_at < %(hi)s
        and exists (select from mark)
    group by h.queue
), compared as materialized (
    select queue, coalesce(f.completed, 0) - coalesce(s.completed, 0) as completed,
        coalesce(f.cancelled, 0) - coalesce(s.cancelled, 0) as cancelled,
        coalesce(f.apart, 0) - coalesce(s.bulk, 0) as apart, coalesce(f.before, 0) as before, coalesce(f.after, 0) as after
    from said s full join found f using (queue)
), mended as (
    insert into docqueue_finished_total (queue, at, worker_id, completed, cancelled)
    select queue, %(lo)s, 0, completed, cancelled from compared where completed <> 0 or cancelled <> 0 order by queue
    on conflict (queue, at, worker_id) do update set
        completed = docqueue_finished_total.completed + excluded.completed,
        cancelled = docqueue_finished_total.cancelled + excluded.cancelled
), moved as (
    update docqueue_depth d set counted_at = %(hi)s,
        number = floor(extract(epoch from (select coalesce(%(now)s::timestamptz, clock_timestamp()))))
    from mark m where d.id = m.id
    returning d.id
)
select queue, completed::bigint, cancelled::bigint, apart, before, after from compared
where completed <> 0 or cancelled <> 0 or apart <> 0
union all
select null, 0, 0, 0, 0, 0 from moved

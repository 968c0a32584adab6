-- Sum a slice of the totals up under worker 0: those before `hours` to one row an hour and queue, those before `days` to one
-- a day. No sum changes by that.
with old as materialized (
    select id, date_trunc(case when at < %(days)s then 'day' else 'hour' end, at, 'UTC') as start
    from docqueue_finished_total
    where at < %(hours)s
        and (worker_id <> 0 or at <> date_trunc(case when at < %(days)s then 'day' else 'hour' end, at, 'UTC'))
    order by id limit %(limit)s
    for update skip locked
), gone as (
    -- by what it says when it is locked: somebody may have added to it since
    delete from docqueue_finished_total t using old o where t.id = o.id
    returning t.queue, o.start, t.completed, t.cancelled, t.dead
), summed as (
    insert into docqueue_finished_total (queue, at, worker_id, completed, cancelled, dead)
    select queue, start, 0, sum(completed), sum(cancelled), sum(dead) from gone group by queue, start order by queue, start
    on conflict (queue, at, worker_id) do update set
        completed = docqueue_finished_total.completed + excluded.completed,
        cancelled = docqueue_finished_total.cancelled + excluded.cancelled,
        dead = docqueue_finished_total.dead + excluded.dead
)
select count(*) from gone

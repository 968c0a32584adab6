-- How far the totals have been compared with the history, and where the round over them is, with the clock.
select
    (select counted_at from docqueue_depth where queue = '' and status = 'finished'),
    (select counted_at from docqueue_depth where queue = '' and status = 'audited'),
    (select coalesce(%(now)s::timestamptz, clock_timestamp()))

-- Count dead items by fingerprint, in an index over them alone, unless somebody has done so lately or is at it. Groups of
-- which nothing is left stay with number 0. ("id > 0": see stats_live.sql.)
with clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), due as materialized (
    select now from clock
    where not exists (
        select from docqueue_failure f where f.counted_at > clock.now - make_interval(secs => %(fresh)s) limit 1)
        and pg_try_advisory_xact_lock(%(lock_class)s + 8, 0)
), hourly as materialized (
    select i.fingerprint, least(24, floor(extract(epoch from due.now - i.died_at) / 3600))::int as hours_ago,
        count(*) as number, min(i.died_at) as first_at, max(i.died_at) as last_at, max(i.id) as sample_id
    from docqueue_item i cross join due
    where i.status = 'dead' and i.id > 0 and i.fingerprint is not null
    group by 1, 2
), counted as materialized (
    select fingerprint, sum(number) as number, min(first_at) as first_at, max(last_at) as last_at, max(sample_id) as sample_id,
        jsonb_object_agg(greatest(0, hours_ago), number) as by_hour
    from hourly group by fingerprint
), written as (
    insert into docqueue_failure (fingerprint, queue, operation, error_code, error_message, sample_id, number, first_at,
        last_at, hours, counted_at)
    select c.fingerprint, i.queue, i.operation, coalesce(i.error_code, ''), coalesce(i.error_message, ''), c.sample_id, c.number,
        c.first_at, c.last_at,
        (select jsonb_agg(coalesce((c.by_hour ->> h::text)::bigint, 0) order by h desc) from generate_series(0, 23) h), due.now
    from counted c join docqueue_item i on i.id = c.sample_id cross join due
    order by c.fingerprint
    on conflict (fingerprint) do update set
        queue = excluded.queue, operation = excluded.operation, error_code = excluded.error_code,
        error_message = excluded.error_message, sample_id = excluded.sample_id, number = excluded.number,
        first_at = excluded.first_at, last_at = excluded.last_at, hours = excluded.hours, counted_at = excluded.counted_at
    returning fingerprint
), emptied as (
    update docqueue_failure f set number = 0, counted_at = due.now
    from due
    where f.number > 0 and not exists (select from counted c where c.fingerprint = f.fingerprint)
    returning f.fingerprint
)
select (select count(*) from written) + (select count(*) from emptied)

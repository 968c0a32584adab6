-- Which of the newest items fit: ids, newest first, among the newest `window` of those below `before`, live or finished as asked
-- for. With how many were looked at and the last of them; no fit is looked for beyond that, whatever there is.
with looked as materialized (
    select id,
        (%(statuses)s::text[] is null or status = any(%(statuses)s::text[]))
        and (%(queue)s::text is null or queue = %(queue)s)
        and (%(operation)s::text is null or operation = %(operation)s)
        and (%(error_code)s::text is null or error_code = %(error_code)s)
        and (%(tenant)s::text is null or tenant = %(tenant)s)
        and (%(batch_id)s::bigint is null or batch_id = %(batch_id)s)
        and (%(enqueued_after)s::timestamptz is null or enqueued_at >= %(enqueued_after)s)
        and (%(enqueued_before)s::timestamptz is null or enqueued_at < %(enqueued_before)s) as fits
    from docqueue_any_item
    where id < %(before)s and (%(live)s or finished_at is not null) and (%(finished)s or finished_at is null)
    order by id desc limit %(window)s
)
select array(select id from looked where fits order by id desc limit %(limit)s),
    (select count(*) from looked), (select min(id) from looked)

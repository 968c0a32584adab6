-- How many finished items a filter matches among `stretch` of them (of a document: by its index); whether there may be more;
-- the newest of them; and what time it is.
with looked as materialized (
    select status = any(%(statuses)s::text[])
            and (%(queue)s::text is null or queue = %(queue)s::text)
            and (%(operation)s::text is null or operation = %(operation)s::text)
            and (%(error_code)s::text is null or error_code = %(error_code)s::text)
            and (%(enqueued_before)s::timestamptz is null or enqueued_at < %(enqueued_before)s::timestamptz)
            and (%(ended_before)s::timestamptz is null or finished_at < %(ended_before)s::timestamptz) as matches
    from docqueue_history
    where %(document_id)s::text is null or document_id = %(document_id)s::text
    limit %(stretch)s
)
select
    (select count(*) from looked where matches),
    (select count(*) = %(stretch)s from looked),
    (select coalesce(max(id), 0) from docqueue_history),
    (select coalesce(%(now)s::timestamptz, clock_timestamp()))

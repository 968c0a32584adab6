-- How many finished items a filter matches, counted up to a limit; the newest of them; and what time it is.
select
    (select count(*) from (
        select from docqueue_history
        where status = any(%(statuses)s::text[])
            and (%(queue)s::text is null or queue = %(queue)s::text)
            and (%(operation)s::text is null or operation = %(operation)s::text)
            and (%(document_id)s::text is null or document_id = %(document_id)s::text)
            and (%(error_code)s::text is null or error_code = %(error_code)s::text)
            and (%(enqueued_before)s::timestamptz is null or enqueued_at < %(enqueued_before)s::timestamptz)
        limit %(limit)s
    ) found),
    (select coalesce(max(id), 0) from docqueue_history),
    (select coalesce(%(now)s::timestamptz, clock_timestamp()))

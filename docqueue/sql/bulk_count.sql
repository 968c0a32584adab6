-- How many live items a filter matches, counted up to a limit; the newest item there is; and what time it is. What a requeue
-- finds waiting waits for its time: it goes past no other rule of admission.
select
    (select count(*) from (
        select from docqueue_item
        where status = any(%(statuses)s::text[])
            and (%(action)s <> 'requeue' or status = 'dead' or wait_reason in ('delayed', 'retry', 'snoozed', 'no_handler', 'unwell'))
            and (%(priority)s::smallint is null or priority <> %(priority)s::smallint)
            and (%(queue)s::text is null or queue = %(queue)s::text)
            and (%(operation)s::text is null or operation = %(operation)s::text)
            and (%(document_id)s::text is null or document_id = %(document_id)s::text)
            and (%(error_code)s::text is null or error_code = %(error_code)s::text)
            and (%(fingerprint)s::text is null or fingerprint = %(fingerprint)s::text)
            and (%(enqueued_before)s::timestamptz is null or enqueued_at < %(enqueued_before)s::timestamptz)
        limit %(limit)s
    ) found),
    (select coalesce(max(id), 0) from docqueue_item),
    (select coalesce(%(now)s::timestamptz, clock_timestamp()))

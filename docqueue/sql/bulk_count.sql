-- How many live items a filter matches among the first `stretch` of its states and its queue, each state by an index of its own
-- ("id > 0": see stats_live.sql); whether there may be more; the newest item there is; and what time it is. What a requeue
-- finds waiting waits for its time: it goes past no other rule of admission.
with looked as materialized (
    select
        (%(action)s <> 'requeue' or status = 'dead' or wait_reason in ('delayed', 'retry', 'snoozed', 'no_handler', 'unwell'))
            and (%(priority)s::smallint is null or priority <> %(priority)s::smallint)
            and (%(operation)s::text is null or operation = %(operation)s::text)
            and (%(document_id)s::text is null or document_id = %(document_id)s::text)
            and (%(error_code)s::text is null or error_code = %(error_code)s::text)
            and (%(fingerprint)s::text is null or fingerprint = %(fingerprint)s::text)
            and (%(enqueued_before)s::timestamptz is null or enqueued_at < %(enqueued_before)s::timestamptz)
            and (%(ended_before)s::timestamptz is null or status = 'dead' and died_at < %(ended_before)s::timestamptz) as matches
    from (
        select * from docqueue_item where status = 'pending' and not returned and 'pending' = any(%(statuses)s::text[])
        union all
        select * from docqueue_item where status = 'pending' and returned and 'pending' = any(%(statuses)s::text[])
        union all
        select * from docqueue_item where status = 'in_progress' and 'in_progress' = any(%(statuses)s::text[])
        union all
        select * from docqueue_item
        where status = 'waiting' and wait_reason is not null and id > 0 and 'waiting' = any(%(statuses)s::text[])
        union all
        select * from docqueue_item where status = 'dead' and id > 0 and 'dead' = any(%(statuses)s::text[])
    ) i
    where %(queue)s::text is null or queue = %(queue)s::text
    limit %(stretch)s
)
select
    (select count(*) from looked where matches),
    (select count(*) = %(stretch)s from looked),
    (select coalesce(max(id), 0) from docqueue_item),
    (select coalesce(%(now)s::timestamptz, clock_timestamp()))

-- The next live items of a bulk operation, by id: their ids, and how far that goes; null: there is nothing behind them. A
-- stretch of the table at a time, so that a filter that matches hardly anything takes no longer.
with stretch as materialized (
    select id, status = any(%(statuses)s::text[])
            and (%(action)s <> 'requeue' or status = 'dead' or wait_reason in ('delayed', 'retry', 'snoozed', 'no_handler', 'unwell'))
            and (status <> 'dead' or died_at <= %(created_at)s::timestamptz)
            and (%(priority)s::smallint is null or priority <> %(priority)s::smallint)
            and (%(queue)s::text is null or queue = %(queue)s::text)
            and (%(operation)s::text is null or operation = %(operation)s::text)
            and (%(document_id)s::text is null or document_id = %(document_id)s::text)
            and (%(error_code)s::text is null or error_code = %(error_code)s::text)
            and (%(fingerprint)s::text is null or fingerprint = %(fingerprint)s::text)
            and (%(enqueued_before)s::timestamptz is null or enqueued_at < %(enqueued_before)s::timestamptz)
            and (%(ended_before)s::timestamptz is null or status = 'dead' and died_at < %(ended_before)s::timestamptz) as matches
    from docqueue_item where id > %(reached)s and id <= %(last_id)s
    order by id limit %(stretch)s
), found as materialized (
    select id from stretch where matches order by id limit %(limit)s
)
select coalesce((select array_agg(id order by id) from found), '{}'), case
    when (select count(*) from found) = %(limit)s then (select max(id) from found)
    when (select count(*) from stretch) = %(stretch)s then (select max(id) from stretch)
end

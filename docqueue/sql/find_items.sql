-- The items of a document, of a key, of a batch or of these ids that fit as well: ids, newest first. Found by indexes: the
-- history of a document, what of it waits or is dead, the holder of its ordering key, and all that runs; what has a unique key,
-- what was completed under one. Only what is pending under another ordering key has no index: for that the newest `window` live
-- items are looked at, which the second column counts. Of each of the others `most`. The third: nothing that fits can be missing.
with ours as materialized (
    select id from docqueue_history where document_id = %(document_id)s and id < %(before)s limit %(most)s
), aside as materialized (
    select id from docqueue_item
    where document_id = %(document_id)s and (wait_reason is not null or status = 'dead') and document_id is not null
        and id < %(before)s
    limit %(most)s
), running as materialized (
    select id, document_id from docqueue_item
    where status = 'in_progress' and %(document_id)s::text is not null limit %(window)s
), newest as materialized (
    select id, document_id, unique_key from docqueue_item
    where id < %(before)s and (%(document_id)s::text is not null or %(unique_key)s::text is not null)
    order by id desc limit %(window)s
), members as materialized (
    select id from docqueue_item where batch_id = %(of_batch)s and status <> 'dead' limit %(most)s
), dead as materialized (
    select id from docqueue_item where batch_id = %(of_batch)s and status = 'dead' limit %(most)s
), ended as materialized (
    select id from docqueue_history where batch_id = %(of_batch)s limit %(most)s
), found as materialized (
    select id from ours
    union select id from aside
    union select id from running where document_id = %(document_id)s
    union select id from docqueue_item where holds_key and ordering_key = %(document_id)s and document_id = %(document_id)s
    union select id from newest where document_id = %(document_id)s or unique_key = %(unique_key)s
    union select item_id from docqueue_key where key = %(unique_key)s
    union select id from unnest(%(ids)s::bigint[]) i (id)
    union select id from members union select id from dead union select id from ended
    union select h.id
    from unnest(%(operations)s::text[]) o (name)
    join docqueue_history h on h.operation = o.name and h.unique_key = %(unique_key)s and h.status = 'completed'
        and h.unique_key is not null
)
select array(
        select a.id from docqueue_any_item a
        where a.id = any(array(select id from found)) and a.id < %(before)s
            and (%(statuses)s::text[] is null or a.status = any(%(statuses)s::text[]))
            and (%(queue)s::text is null or a.queue = %(queue)s)
            and (%(operation)s::text is null or a.operation = %(operation)s)
            and (%(error_code)s::text is null or a.error_code = %(error_code)s)
            and (%(tenant)s::text is null or a.tenant = %(tenant)s)
            and (%(batch_id)s::bigint is null or a.batch_id = %(batch_id)s)
            and (%(enqueued_after)s::timestamptz is null or a.enqueued_at >= %(enqueued_after)s)
            and (%(enqueued_before)s::timestamptz is null or a.enqueued_at < %(enqueued_before)s)
        order by a.id desc limit %(limit)s),
    (select count(*) from newest),
    (select count(*) from newest) < %(window)s and (select count(*) from ours) < %(most)s
        and (select count(*) from aside) < %(most)s and (select count(*) from running) < %(window)s
        and (select count(*) from members) < %(most)s and (select count(*) from dead) < %(most)s
        and (select count(*) from ended) < %(most)s

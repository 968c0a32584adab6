-- Ids of the live items in these states, of a queue (null: any), `most` of each kind at most, by indexes. Those that wait
-- have indexes over queue and reason together, and each over some reasons (`indexed`; null: any); of others without a queue
-- it is all that waits or is dead, which may be too many. ("id > 0" and the order ask for that index: see stats_live.sql;
-- along the ids it would pass by all others that are older.)
(select id from docqueue_item
 where status = 'pending' and not returned and (%(queue)s::text is null or queue = %(queue)s)
    and 'pending' = any(%(statuses)s::text[]) limit %(most)s)
union all
(select id from docqueue_item
 where status = 'pending' and returned and (%(queue)s::text is null or queue = %(queue)s)
    and 'pending' = any(%(statuses)s::text[]) limit %(most)s)
union all
(select id from (select id, queue from docqueue_item where status = 'in_progress' limit %(window)s) held
 where (%(queue)s::text is null or queue = %(queue)s) and 'in_progress' = any(%(statuses)s::text[]) limit %(most)s)
union all
(select id from docqueue_item
 where status = 'dead' and id > 0 and (%(queue)s::text is null or queue = %(queue)s)
    and 'dead' = any(%(statuses)s::text[]) order by queue, status, wait_reason limit %(most)s)
union all
(select id from docqueue_item
 where status = 'waiting' and wait_reason is not null and id > 0 and queue = %(queue)s
    and (%(wait_reason)s::text is null or wait_reason = %(wait_reason)s)
    and 'waiting' = any(%(statuses)s::text[]) order by queue, status, wait_reason limit %(most)s)
union all
(select id from docqueue_item
 where status = 'waiting' and wait_reason = %(wait_reason)s and %(indexed)s and %(queue)s::text is null
    and 'waiting' = any(%(statuses)s::text[]) limit %(most)s)
union all
(select id from docqueue_item
 where (wait_reason is not null or status = 'dead') and id > 0 and not %(indexed)s and %(queue)s::text is null
    and 'waiting' = any(%(statuses)s::text[]) order by queue, status, wait_reason limit %(most)s)

-- Ids of the live items of a queue, or in a state, or both (null: any), `most` of each kind at most, by indexes. Of what waits
-- only with a queue, as no index has just that. ("id > 0": see stats_live.sql.)
(select id from docqueue_item
 where status = 'pending' and not returned and (%(queue)s::text is null or queue = %(queue)s)
    and coalesce(%(status)s, 'pending') = 'pending' limit %(most)s)
union all
(select id from docqueue_item
 where status = 'pending' and returned and (%(queue)s::text is null or queue = %(queue)s)
    and coalesce(%(status)s, 'pending') = 'pending' limit %(most)s)
union all
(select id from (select id, queue from docqueue_item where status = 'in_progress' limit %(window)s) held
 where (%(queue)s::text is null or queue = %(queue)s) and coalesce(%(status)s, 'in_progress') = 'in_progress' limit %(most)s)
union all
(select id from docqueue_item
 where status = 'dead' and id > 0 and (%(queue)s::text is null or queue = %(queue)s)
    and coalesce(%(status)s, 'dead') = 'dead' limit %(most)s)
union all
(select id from docqueue_item
 where status = 'waiting' and wait_reason is not null and id > 0 and queue = %(queue)s
    and coalesce(%(status)s, 'waiting') = 'waiting' limit %(most)s)

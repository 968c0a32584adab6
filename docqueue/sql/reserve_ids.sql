-- Draw ids and lane positions for a bulk enqueue, with the database's clock. Of each: the first, and all of them when
-- others drew at the same time so that they do not follow one another. The transaction's xid comes first of all:
-- whoever looks must see a transaction with positions as running.
select i.first, i.scattered, p.first, p.scattered, coalesce(%(now)s::timestamptz, clock_timestamp())
from (select case when pg_current_xact_id() is not null then %(count)s end as count offset 0) wanted,
lateral (
    select min(n) as first, case when max(n) - min(n) + 1 <> count(*) then array_agg(n) end as scattered
    from (select nextval('docqueue_item_id_seq') as n from generate_series(1, wanted.count)) drawn
) i,
lateral (
    select min(n) as first, case when max(n) - min(n) + 1 <> count(*) then array_agg(n) end as scattered
    from (select nextval('docqueue_position_seq') as n from generate_series(1, wanted.count)) drawn
) p

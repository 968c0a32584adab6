-- Store the result of one durable step, fenced. No row: the claim is not the newest any more, and nothing was stored. The
-- lock keeps the item in these hands until the commit, so no newer claim can miss the step.
with mine as materialized (
    select id from docqueue_item where id = %(item_id)s and claim_token = %(token)s for share
)
insert into docqueue_checkpoint (item_id, name, result, created_at)
select id, %(name)s, %(result)s::jsonb, coalesce(%(now)s::timestamptz, clock_timestamp()) from mine
returning result::text

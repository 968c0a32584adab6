-- Store a running item's progress, fenced; the answer carries a cancel. No row: the claim is not the newest any more.
with mine as materialized (
    select id, cancel_requested_at is not null as cancelled from docqueue_item
    where id = %(item_id)s and claim_token = %(token)s
    for share
), written as (
    insert into docqueue_progress (item_id, percent, stage, message, updated_at)
    select id, %(percent)s, %(stage)s, %(message)s, coalesce(%(now)s::timestamptz, clock_timestamp()) from mine
    on conflict (item_id) do update set
        percent = excluded.percent, stage = excluded.stage, message = excluded.message, updated_at = excluded.updated_at
)
select cancelled from mine

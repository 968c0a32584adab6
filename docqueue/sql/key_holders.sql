-- The items that have these keys: live ones, and by keys that outlive their items finished ones, too. (Their status is
-- null once the history has dropped them.)
select k.key, k.item_id, coalesce(i.status, h.status), i.wait_reason
from docqueue_key k
left join docqueue_item i on i.id = k.item_id
left join lateral (select status from docqueue_history where id = k.item_id and i.id is null limit 1) h on true
where k.key = any(%(keys)s) and case k.lifetime
    when 'forever' then true
    when 'period' then k.expires_at > (select coalesce(%(now)s::timestamptz, clock_timestamp()))
    else i.id is not null end

-- Free keys whose period is over, and those whose item is gone without having ended: deleted by hand, so nobody else will.
delete from docqueue_key k
where k.key = any(%(keys)s) and case k.lifetime
    when 'forever' then false
    when 'period' then k.expires_at <= (select coalesce(%(now)s::timestamptz, clock_timestamp()))
    else not exists (select from docqueue_item i where i.id = k.item_id) end

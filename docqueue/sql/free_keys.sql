-- Free unique keys whose item is gone without having ended: deleted by hand, so nobody else will.
delete from docqueue_key k
where k.key = any(%(keys)s) and k.lifetime = 'finished'
    and not exists (select from docqueue_item i where i.id = k.item_id)

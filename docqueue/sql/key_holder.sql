-- The live item that has a unique key.
select i.id, i.status, i.wait_reason from docqueue_key k join docqueue_item i on i.id = k.item_id where k.key = %(key)s

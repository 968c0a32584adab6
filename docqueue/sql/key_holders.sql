-- The live items that have these unique keys.
select k.key, i.id, i.status, i.wait_reason
from docqueue_key k join docqueue_item i on i.id = k.item_id
where k.key = any(%(keys)s)

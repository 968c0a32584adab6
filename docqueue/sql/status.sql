-- Where an item is, live or finished.
select status, wait_reason from docqueue_item where id = %(item_id)s
union all
select status, null from docqueue_history where id = %(item_id)s
limit 1

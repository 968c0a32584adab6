-- Write the inserted item's id on its unique key.
update docqueue_key set item_id = %(item_id)s where key = %(key)s

-- The steps that an item has behind it, in the order in which they ended.
select name, result::text from docqueue_checkpoint where item_id = %(item_id)s order by id

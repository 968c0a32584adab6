-- Forget the steps that an item has behind it: its next run begins at the first one.
delete from docqueue_checkpoint where item_id = %(item_id)s

-- Keep which item was enqueued when the batch had finished.
update docqueue_batch set callback_id = %(item_id)s where id = %(batch_id)s

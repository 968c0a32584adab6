-- Note how far a bulk operation has come, in the transaction that changed its items.
update docqueue_bulk set reached_id = %(reached)s, done = done + %(done)s, skipped = skipped + %(skipped)s where id = %(id)s

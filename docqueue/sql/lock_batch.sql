-- Whether a batch is sealed; it can not be as long as this transaction lasts, if it is not now. Others may add at the same time.
select sealed_at is not null from docqueue_batch where id = %(batch_id)s for share

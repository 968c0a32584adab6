-- How many items of a batch are live, dead and finished, `most` of each at most. The batch itself need not be there any more.
select (select count(*) from (select from docqueue_item where batch_id = %(batch_id)s and status <> 'dead' limit %(most)s) l),
    (select count(*) from (select from docqueue_item where batch_id = %(batch_id)s and status = 'dead' limit %(most)s) d),
    (select count(*) from (select from docqueue_history where batch_id = %(batch_id)s limit %(most)s) f)

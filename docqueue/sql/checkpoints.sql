-- The steps that an item has behind it, in the order in which they ended; one row of nulls for none. No row at all: the
-- claim is not the newest any more, and of an item that has ended the steps may have been removed.
select c.name, c.result::text
from (select id from docqueue_item where id = %(item_id)s and claim_token = %(token)s) mine
left join docqueue_checkpoint c on c.item_id = mine.id
order by c.id

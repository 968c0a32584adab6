-- Take a bulk operation for one slice, until the transaction ends. No row: somebody else is at it, or it has ended.
select action, filter::text, options::text, created_at, last_id, reached_id
from docqueue_bulk where id = %(id)s and state = 'running'
for update skip locked

-- Set the two marks of the totals where they are missing: what ended before `finished` has been compared with the history
-- once, and `audited` goes round and round over that.
insert into docqueue_depth (queue, status, number, counted_at)
select '', m.mark, 0, least(date_trunc('hour', (select min(finished_at) from docqueue_history), 'UTC'), %(upto)s::timestamptz)
from (values ('audited'), ('finished')) as m (mark)
on conflict (queue, status) do nothing

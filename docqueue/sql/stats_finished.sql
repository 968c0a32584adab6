-- Finished items per queue, as far back as the history goes.
select queue,
    count(*) filter (where status = 'completed') as completed,
    count(*) filter (where status = 'cancelled') as cancelled
from docqueue_history group by queue

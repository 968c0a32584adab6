-- Draw ids and lane positions for a bulk enqueue, with the database's clock.
select nextval('docqueue_item_id_seq'), nextval('docqueue_position_seq'), coalesce(%(now)s::timestamptz, clock_timestamp())
from generate_series(1, %(count)s)

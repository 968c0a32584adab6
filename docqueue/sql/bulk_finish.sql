-- End a bulk operation that runs, once a slice that is under way has been committed. No row: it has ended. Of one that is
-- done it is known now how many it was about: what is missing in its count had moved on before it was reached.
update docqueue_bulk set
    state = %(state)s, finished_at = clock.now,
    abort_requested_at = case when %(state)s = 'aborted' then clock.now end,
    total = case when %(state)s = 'aborted' then total when options ? 'at_least' then done + skipped else greatest(total, done + skipped) end,
    skipped = case when %(state)s = 'aborted' or options ? 'at_least' then skipped else greatest(skipped, total - done) end,
    options = case when %(state)s = 'aborted' then options else options - 'at_least' end
from (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) clock
where id = %(id)s and state = 'running'
returning action, filter::text, actor, reason, done

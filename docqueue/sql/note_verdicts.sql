-- Tell circuit breakers how items ended that came through them. Enough failures in a row open one; while it is open only
-- the probe's success closes it, and what had started before says nothing. What ended otherwise lets the next probe go.
with told as materialized (
    select * from unnest(%(keys)s::text[], %(claimed)s::timestamptz[], %(verdicts)s::text[]) as t (key, claimed_at, verdict)
), locked as materialized (
    -- the statement that locks also reads, in the order of ensure_limits; a breaker that nothing changes is not locked
    select l.* from docqueue_limit l
    where l.key = any(array(select key from told)) and l.failures_to_open is not null
        and (l.failures > 0 or l.opened_at is not null or exists (select from told t where t.key = l.key and t.verdict = 'failed'))
    order by l.key collate "C" for update of l
), summed as materialized (
    select l.key, l.failures, l.failures_to_open, l.opened_at, l.probe_at,
        count(*) filter (where t.verdict = 'failed' and (l.opened_at is null or t.claimed_at >= l.opened_at)) as failed,
        count(*) filter (where t.verdict = 'completed' and (l.opened_at is null or t.claimed_at >= l.opened_at)) as completed,
        bool_or(t.claimed_at = l.probe_at) as probed
    from told t join locked l using (key)
    group by l.key, l.failures, l.failures_to_open, l.opened_at, l.probe_at
)
update docqueue_limit l set
    failures = case when s.completed > 0 then 0 else s.failures + s.failed end,
    opened_at = case
        when s.completed > 0 then null
        when s.failed > 0 and s.opened_at is null and s.failures + s.failed >= s.failures_to_open
            then (select coalesce(%(now)s::timestamptz, clock_timestamp()))
        else s.opened_at end,
    probe_at = case
        when s.failed > 0 and s.completed = 0 and s.opened_at is not null
            then (select coalesce(%(now)s::timestamptz, clock_timestamp()))  -- of the last that failed: the next waits from then on
        when s.probed or s.completed > 0 then null
        else s.probe_at end
from summed s
where l.key = s.key
returning l.key, l.opened_at is not null and s.opened_at is null, l.opened_at is null and s.opened_at is not null

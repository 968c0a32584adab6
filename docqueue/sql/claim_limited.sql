-- Claim items that wait for a limit, as many as its tokens and its breaker allow, charged here and now. An open breaker
-- whose time is over allows one, the probe, whose attempt does not count. Never blocks: a limit that somebody else is just
-- charging is left out. The last row (its id is null) says in place of a payload when to ask again.
with moment as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), pairs as materialized (
    select q.queue, k.limit_key from unnest(%(queues)s::text[]) as q (queue) cross join lateral (with recursive walk as (
            (select i.limit_key from docqueue_item i where i.status = 'waiting' and i.wait_reason = 'limited' and i.queue = q.queue order by i.limit_key limit 1)
            union all
            select (
                select i.limit_key from docqueue_item i where i.status = 'waiting' and i.wait_reason = 'limited' and i.queue = q.queue and i.limit_key > w.limit_key
                order by i.limit_key limit 1)
            from walk w where w.limit_key is not null)
        select limit_key from walk where limit_key is not null
    ) k
), first as materialized (
    -- There may be thousands of keys and little to be claimed: no more limits are locked than first in line could start.
    select h.limit_key as key from (
        select distinct on (p.limit_key) p.limit_key, i.priority, i.id from pairs p cross join lateral (
            select priority, id from docqueue_item where status = 'waiting' and wait_reason = 'limited' and queue = p.queue and limit_key = p.limit_key
            order by priority desc, id limit 1) i
        order by p.limit_key, i.priority desc, i.id
    ) h join docqueue_limit l on l.key = h.limit_key cross join moment m
    where (l.rate is null or l.tokens + l.rate * greatest(0, extract(epoch from m.now - l.refilled_at)::float8) >= 1)
        and (l.opened_at is null or m.now >= greatest(l.opened_at, l.probe_at) + make_interval(secs => l.open_seconds))
    order by h.priority desc, h.id limit %(limit)s
), ready as materialized (
    select l.key, greatest(m.now, l.refilled_at) as moment, l.opened_at is not null as probing, l.rate,
        least(l.burst, l.tokens + l.rate * greatest(0, extract(epoch from m.now - l.refilled_at)::float8)) as tokens
    from docqueue_limit l cross join moment m
    where l.key = any(array(select key from first))
        and (l.rate is null or l.tokens + l.rate * greatest(0, extract(epoch from m.now - l.refilled_at)::float8) >= 1)
        and (l.opened_at is null or m.now >= greatest(l.opened_at, l.probe_at) + make_interval(secs => l.open_seconds))
    order by l.key for update of l skip locked
), allowed as materialized (
    select *, least(%(limit)s, case when probing then 1 else floor(tokens) end)::int as most from ready
), probe as materialized (
    -- of the first in line whoever had its turn least often: one that fails for its own reasons must not stop the others
    select a.key, (select c.id from (
            select i.id, i.claim_no, i.priority from docqueue_item i join pairs p on p.queue = i.queue and p.limit_key = a.key
            where i.status = 'waiting' and i.wait_reason = 'limited' and i.limit_key = a.key
            order by i.priority desc, i.id limit 100
        ) c order by c.claim_no, c.priority desc, c.id limit 1) as id
    from allowed a where a.probing
), found as (
    select a.key, a.moment, a.probing, a.most, i.id, i.priority, row_number() over (partition by a.key order by i.priority desc, i.id) as place
    from allowed a join pairs p on p.limit_key = a.key left join probe o on o.key = a.key cross join lateral (
        select id, priority from docqueue_item
        where status = 'waiting' and wait_reason = 'limited' and queue = p.queue and limit_key = a.key and id = coalesce(o.id, id)
        order by priority desc, id limit a.most for update skip locked
    ) i
), chosen as materialized (
    -- each key in its turn, that first whose item waits longest: none starves for its name
    select id, key, moment, probing from found where place <= most order by priority desc, place, id limit %(limit)s
), taken as (
    update docqueue_item i set
        status = 'in_progress', wait_reason = null, attempt = i.attempt + (not c.probing)::int, claim_no = i.claim_no + 1,
        claim_token = %(token)s, worker_id = %(worker_id)s, claimed_at = c.moment,
        -- it does not run alone: if its worker dies it is not charged
        position = nextval('docqueue_position_seq'), returned = false, suspect = false
    from chosen c
    where i.id = c.id and exists (select from docqueue_worker where id = %(worker_id)s and lost_at is null and stopped_at is null)
    returning i.*
), charged as (
    update docqueue_limit l set
        tokens = coalesce(a.tokens - n.number, l.tokens), refilled_at = a.moment, probe_at = case when a.probing then a.moment else l.probe_at end
    from allowed a join (select limit_key, count(*) as number from taken group by limit_key) n on n.limit_key = a.key where l.key = a.key
), freed as (
    -- keys that are held until the item is claimed
    delete from docqueue_key k using taken t where t.unique_key is not null and k.key = t.unique_key and k.item_id = t.id and k.lifetime = 'claimed'
)
select id, claim_no, claim_token, worker_id, queue, operation, document_id, payload::text, metadata::text, priority, ordering_key,
    attempt, max_attempts, crashes, timeout_seconds, date_part('epoch', enqueued_at), date_part('epoch', claimed_at), suspect, position, limit_key
from taken
union all
select null, null, null, null, null, null, null, json_build_object('seconds', min(case
        when a.key is not null then coalesce(1 / a.rate, 0)
        else greatest(0, coalesce((1 - l.tokens) / l.rate - greatest(0, extract(epoch from m.now - l.refilled_at)), 0), coalesce(
            extract(epoch from greatest(l.opened_at, l.probe_at) - m.now) + l.open_seconds, 0)) end))::text,
    null, null, null, null, null, null, null, null, null, null, null, null from moment m join docqueue_limit l on l.key = any(array(select limit_key from pairs)) left join allowed a on a.key = l.key

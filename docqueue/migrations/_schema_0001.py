"""What the ORM can not say about the first schema. Frozen with its migration: never edit, add a migration instead."""

HISTORY = """
create table docqueue_history (
    id bigint not null,
    queue varchar(64) not null,
    priority smallint not null,
    status varchar(16) not null,
    operation varchar(200) not null,
    document_id varchar(255),
    ordering_key varchar(255),
    unique_key varchar(255),
    payload jsonb not null,
    metadata jsonb not null,
    result jsonb,
    attempt integer not null,
    max_attempts integer not null,
    crashes integer not null,
    run_after timestamptz,
    enqueued_at timestamptz not null,
    claimed_at timestamptz,
    finished_at timestamptz not null,
    worker_id bigint,
    claim_no integer not null,
    error_code varchar(100),
    error_message text
) partition by range (finished_at);
create index docqueue_history_id on docqueue_history (id);
create index docqueue_history_finished on docqueue_history (finished_at, id);
create index docqueue_history_document on docqueue_history (document_id);
"""

AFTER_TABLES = """
create sequence docqueue_position_seq;

-- The claim path updates and deletes every row within seconds: vacuum early and without pauses.
alter table docqueue_item set (
    fillfactor = 100,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.1
);
alter table docqueue_worker set (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 50);

-- The legal moves, as docqueue.states has them (a test compares): the function is only called to refuse.
create function docqueue_refuse_transition() returns trigger language plpgsql as $$
begin
    raise exception 'docqueue: item % can not go from % to %', old.id, old.status, new.status
        using errcode = 'integrity_constraint_violation';
end $$;
create trigger docqueue_item_legal_moves before update of status on docqueue_item for each row
when (OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
    ('dead', 'pending'), ('dead', 'waiting'),
    ('in_progress', 'dead'), ('in_progress', 'pending'), ('in_progress', 'waiting'),
    ('pending', 'in_progress'),
    ('waiting', 'in_progress'), ('waiting', 'pending')))
execute function docqueue_refuse_transition();

create view docqueue_any_item as
select id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata,
    null::jsonb as result, attempt, max_attempts, crashes, run_after, enqueued_at, claimed_at,
    null::timestamptz as finished_at, worker_id, claim_no, error_code, error_message, wait_reason, timeout_seconds,
    next_retry_at, cancel_requested_at, died_at, fingerprint
from docqueue_item
union all
select id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata,
    result, attempt, max_attempts, crashes, run_after, enqueued_at, claimed_at,
    finished_at, worker_id, claim_no, error_code, error_message, null::varchar(16), null::double precision,
    null::timestamptz, null::timestamptz, null::timestamptz, null::varchar(32)
from docqueue_history;

analyze docqueue_item;
"""

AFTER_TABLES_REVERSE = """
drop view docqueue_any_item;
drop trigger docqueue_item_legal_moves on docqueue_item;
drop function docqueue_refuse_transition();
drop sequence docqueue_position_seq;
"""

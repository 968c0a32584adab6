"""Who may do what on which page of the admin: the permissions that a look (GET) and a deed (POST) take.

A permission is one of docqueue unless it has a dot; "a|b": one of them is enough. Several: each of them is needed.
"""

from __future__ import annotations

from tests.pages.addresses import Address

Needs = tuple[str, ...] | None
NOBODY = None
"""Refused to everybody, superusers included."""
STAFF: Needs = ()
"""Whoever gets into the admin."""

ITEMS = "view_queueitem"
QUEUES = "view_queue|change_queue"
WORKERS = "view_worker|change_worker"
BULK = "view_bulkoperation|change_bulkoperation"
SCHEDULES = "view_schedule|change_schedule"
INTAKES = "ingestion.view_intake|ingestion.change_intake"
FILES = "ingestion.view_ingestfile|ingestion.change_ingestfile"
DOCUMENTS = "ingestion.view_document|ingestion.change_document"
SESSIONS = "ingestion_resumable.view_uploadsession|ingestion_resumable.change_uploadsession"

MAY: dict[Address, dict[str, Needs]] = {}


def one(name: str, get: Needs | str, post: Needs | str, verb: str = "", kind: str = "page") -> None:
    """An entry."""
    MAY[Address(name, verb, kind)] = {"get": _needs(get), "post": _needs(post)}


def _needs(given: Needs | str) -> Needs:
    return (given,) if isinstance(given, str) else given


def read_only(model: str, see: str) -> None:
    """The list, the page and the history of what is looked at and nothing else."""
    one(f"{model}_changelist", see, see)
    one(f"{model}_add", NOBODY, NOBODY)
    one(f"{model}_change", see, NOBODY)
    one(f"{model}_history", see, see)
    one(f"{model}_delete", NOBODY, NOBODY)
    one(f"{'/'.join(model.rsplit('_', 1))}/<path:object_id>/", STAFF, STAFF)


read_only("docqueue_attempt", "view_attempt|change_attempt")
read_only("docqueue_auditentry", "view_auditentry|change_auditentry")
read_only("docqueue_batch", ITEMS)
read_only("docqueue_bulkoperation", BULK)
read_only("docqueue_failuregroup", ITEMS)
read_only("docqueue_queueitem", ITEMS)
read_only("docqueue_deaditem", ITEMS)
read_only("docqueue_historyitem", ITEMS)
read_only("docqueue_limit", ITEMS)
read_only("docqueue_queue", QUEUES)
read_only("docqueue_schedule", SCHEDULES)
read_only("docqueue_worker", WORKERS)
read_only("ingestion_kmcall", "ingestion.view_kmcall")
read_only("ingestion_intake", INTAKES)
read_only("ingestion_ingestfile", FILES)
read_only("ingestion_document", DOCUMENTS)
read_only("ingestion_resumable_uploadsession", SESSIONS)

one("docqueue_overview_changelist", ITEMS, ITEMS)
one("docqueue_overview_live", ITEMS, ITEMS)
one("docqueue_queue_page", QUEUES, QUEUES)
one("ingestion_kmcall_diagnostics", "ingestion.view_kmcall", "ingestion.view_kmcall")

for _verb in ("pause", "resume"):
    one(f"docqueue_queue_{_verb}", "change_queue", "change_queue")
one("docqueue_batch_seal", (ITEMS, "change_batch"), (ITEMS, "change_batch"))
one("docqueue_bulkoperation_abort", (BULK, "requeue_item"), (BULK, "requeue_item"))  # that of the scene requeues
one("docqueue_bulkoperation_changelist", BULK, (BULK, "requeue_item"), "abort", "action")

for _model in ("docqueue_queueitem", "docqueue_deaditem"):
    for _verb in ("requeue", "run_now", "requeue_afresh"):
        one(f"{_model}_do", (ITEMS, "requeue_item"), (ITEMS, "requeue_item"), _verb)
    for _verb in ("cancel", "discard"):
        one(f"{_model}_do", (ITEMS, "cancel_item"), (ITEMS, "cancel_item"), _verb)
    one(f"{_model}_changelist", ITEMS, (ITEMS, "requeue_item"), "requeue", "action")
    one(f"{_model}_bulk", (ITEMS, "requeue_item"), (ITEMS, "requeue_item"), "requeue")
for _model in ("docqueue_queueitem", "docqueue_deaditem", "docqueue_historyitem"):
    one(f"{_model}_change_priority", (ITEMS, "change_queueitem"), (ITEMS, "change_queueitem"))
    one(f"{_model}_clone", (ITEMS, "add_queueitem"), (ITEMS, "add_queueitem"))
one("docqueue_queueitem_changelist", ITEMS, (ITEMS, "cancel_item"), "cancel", "action")
one("docqueue_deaditem_changelist", ITEMS, (ITEMS, "cancel_item"), "discard", "action")
one("docqueue_queueitem_bulk", (ITEMS, "cancel_item"), (ITEMS, "cancel_item"), "cancel")
one("docqueue_queueitem_bulk", (ITEMS, "change_queueitem"), (ITEMS, "change_queueitem"), "priority")
one("docqueue_deaditem_bulk", (ITEMS, "cancel_item"), (ITEMS, "cancel_item"), "discard")
one("docqueue_historyitem_bulk", (ITEMS, "delete_historyitem"), (ITEMS, "delete_historyitem"), "purge")

for _verb in ("requeue", "canary"):
    one("docqueue_failuregroup_do", (ITEMS, "requeue_item"), (ITEMS, "requeue_item"), _verb)
for _verb in ("acknowledge", "unacknowledge"):
    one("docqueue_failuregroup_do", (ITEMS, "acknowledge_failure"), (ITEMS, "acknowledge_failure"), _verb)
one("docqueue_failuregroup_do", (ITEMS, "cancel_item"), (ITEMS, "cancel_item"), "discard")

one("docqueue_schedule_add", "add_schedule", "add_schedule")
one("docqueue_schedule_change", SCHEDULES, "change_schedule")
one("docqueue_schedule_delete", "delete_schedule", "delete_schedule")
for _verb in ("run_now", "pause_schedule", "resume_schedule"):
    one("docqueue_schedule_do", "change_schedule", "change_schedule", _verb)
for _verb in ("run_chosen", "pause_chosen", "resume_chosen"):
    one("docqueue_schedule_changelist", SCHEDULES, (SCHEDULES, "change_schedule"), _verb, "action")

for _verb in ("quiet_worker", "unquiet_worker", "stop_worker"):
    one("docqueue_worker_ask", (WORKERS, "manage_workers"), (WORKERS, "manage_workers"), _verb)

for _model, _see, _verbs, _actions in (
    ("intake", INTAKES, ("retry", "cancel", "delete"), ("retry", "reprocess", "cancel", "delete")),
    ("ingestfile", FILES, ("retry", "cancel"), ("retry", "reprocess", "cancel")),
    ("document", DOCUMENTS, ("cancel", "delete"), ("retry", "reprocess", "cancel", "delete")),
):
    _takes = dict.fromkeys(("retry", "reprocess", "cancel"), (_see, f"ingestion.change_{_model}"))
    _takes |= {"delete": (_see, f"ingestion.delete_{_model}")}
    one(f"ingestion_{_model}_reprocess", _takes["reprocess"], _takes["reprocess"])
    for _verb in _verbs:
        one(f"ingestion_{_model}_do", _takes[_verb], _takes[_verb], _verb)
    for _verb in _actions:
        one(f"ingestion_{_model}_changelist", _see, _takes[_verb], _verb, "action")
    if _model != "intake":
        one(f"ingestion_{_model}_content", (_see, "ingestion.view_content"), (_see, "ingestion.view_content"))
one("ingestion_resumable_uploadsession_changelist", SESSIONS,
    (SESSIONS, "ingestion_resumable.change_uploadsession"), "end", "action")  # fmt: skip

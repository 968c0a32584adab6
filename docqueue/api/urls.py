"""Addresses of the queue's API; include them under /api/v1/."""

from __future__ import annotations

from django.urls import path

from docqueue.api import (
    batches,
    bulk,
    codes,
    failures,
    item_verbs,
    items,
    limits,
    one_item,
    queues,
    schedules,
    views,
    workers,
)
from docqueue.api.selftest import SelftestView

app_name = "docqueue"

urlpatterns = [
    path("queue/process", views.ProcessView.as_view(), name="process"),
    path("queue/selftest", SelftestView.as_view(), name="selftest"),
    path("queue/bulk", bulk.BulkView.as_view(), name="bulk"),
    path("queue/bulk/<int:bulk_id>", bulk.BulkOperationView.as_view(), name="bulk-operation"),
    path("queue/bulk/<int:bulk_id>/abort", bulk.BulkAbortView.as_view(), name="bulk-abort"),
    path("queue/stats", views.StatsView.as_view(), name="stats"),
    path("queue/limits", limits.QueueLimitsView.as_view(), name="limits"),
    path("queues", queues.QueuesView.as_view(), name="queues"),
    path("queues/<str:name>", queues.OneQueueView.as_view(), name="queue"),
    path("queues/<str:name>/pause", queues.PauseView.as_view(), name="queue-pause"),
    path("queues/<str:name>/resume", queues.ResumeView.as_view(), name="queue-resume"),
    path("workers", workers.WorkersView.as_view(), name="workers"),
    path("workers/<int:worker_id>", workers.OneWorkerView.as_view(), name="worker"),
    path("workers/<int:worker_id>/quiet", workers.QuietWorkerView.as_view(), name="worker-quiet"),
    path("workers/<int:worker_id>/unquiet", workers.UnquietWorkerView.as_view(), name="worker-unquiet"),
    path("workers/<int:worker_id>/stop", workers.StopWorkerView.as_view(), name="worker-stop"),
    path("schedules", schedules.SchedulesView.as_view(), name="schedules"),
    path("schedules/<int:schedule_id>", schedules.OneScheduleView.as_view(), name="schedule"),
    path("schedules/<int:schedule_id>/pause", schedules.PauseScheduleView.as_view(), name="schedule-pause"),
    path("schedules/<int:schedule_id>/resume", schedules.ResumeScheduleView.as_view(), name="schedule-resume"),
    path("schedules/<int:schedule_id>/run", schedules.RunScheduleView.as_view(), name="schedule-run"),
    path("batches", batches.BatchesView.as_view(), name="batches"),
    path("batches/<int:batch_id>", batches.OneBatchView.as_view(), name="batch"),
    path("batches/<int:batch_id>/seal", batches.SealBatchView.as_view(), name="batch-seal"),
    path("errors", codes.ErrorsView.as_view(), name="errors"),
    path("health", views.HealthView.as_view(), name="health"),
    path("health/queue", views.QueueHealthView.as_view(), name="health-queue"),
    path("items", items.ItemsView.as_view(), name="items"),
    path("items/bulk", items.EnqueueManyView.as_view(), name="items-bulk"),
    path("items/<int:item_id>", one_item.ItemView.as_view(), name="item"),
    path("items/<int:item_id>/status", one_item.ItemStatusView.as_view(), name="item-status"),
    path("items/<int:item_id>/explain", one_item.ExplainView.as_view(), name="item-explain"),
    path("items/<int:item_id>/attempts", one_item.AttemptsView.as_view(), name="item-attempts"),
    path("items/<int:item_id>/cancel", item_verbs.CancelView.as_view(), name="item-cancel"),
    path("items/<int:item_id>/requeue", item_verbs.RequeueView.as_view(), name="item-requeue"),
    path("items/<int:item_id>/run-now", item_verbs.RunNowView.as_view(), name="item-run-now"),
    path("items/<int:item_id>/priority", item_verbs.PriorityView.as_view(), name="item-priority"),
    path("dead-letters", views.DeadLettersView.as_view(), name="dead-letters"),
    path("dead-letters/requeue", failures.RequeueDeadLettersView.as_view(), name="dead-letters-requeue"),
    path("dead-letters/<int:item_id>/requeue", failures.RequeueDeadLetterView.as_view(), name="dead-letter-requeue"),
    path("dead-letters/<int:item_id>/discard", failures.DiscardView.as_view(), name="dead-letter-discard"),
    path("dead-letters/groups", failures.GroupsView.as_view(), name="failures"),
    path("dead-letters/groups/<str:fingerprint>", failures.GroupView.as_view(), name="failure"),
    path(
        "dead-letters/groups/<str:fingerprint>/acknowledge",
        failures.AcknowledgeView.as_view(),
        name="failure-acknowledge",
    ),
    path("dead-letters/groups/<str:fingerprint>/requeue", failures.RequeueGroupView.as_view(), name="failure-requeue"),
    path("dead-letters/groups/<str:fingerprint>/discard", failures.DiscardGroupView.as_view(), name="failure-discard"),
]

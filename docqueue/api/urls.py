"""Addresses of the queue's API; include them under /api/v1/."""

from __future__ import annotations

from django.urls import path

from docqueue.api import bulk, failures, views
from docqueue.api.selftest import SelftestView

app_name = "docqueue"

urlpatterns = [
    path("queue/process", views.ProcessView.as_view(), name="process"),
    path("queue/selftest", SelftestView.as_view(), name="selftest"),
    path("queue/bulk", bulk.BulkView.as_view(), name="bulk"),
    path("queue/bulk/<int:bulk_id>", bulk.BulkOperationView.as_view(), name="bulk-operation"),
    path("queue/bulk/<int:bulk_id>/abort", bulk.BulkAbortView.as_view(), name="bulk-abort"),
    path("queues/<str:name>/pause", bulk.PauseView.as_view(), name="queue-pause"),
    path("queues/<str:name>/resume", bulk.ResumeView.as_view(), name="queue-resume"),
    path("queue/stats", views.StatsView.as_view(), name="stats"),
    path("health", views.HealthView.as_view(), name="health"),
    path("items", views.ItemsView.as_view(), name="items"),
    path("items/<int:item_id>", views.ItemView.as_view(), name="item"),
    path("items/<int:item_id>/cancel", views.CancelView.as_view(), name="item-cancel"),
    path("items/<int:item_id>/requeue", views.RequeueView.as_view(), name="item-requeue"),
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

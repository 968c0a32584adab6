"""A project may keep the queue in a database of its own."""

from __future__ import annotations

from django.contrib.contenttypes.models import ContentType

from docqueue.models import QueueItem
from docqueue.routers import DocqueueRouter
from docqueue.service import DocumentQueueService


def test_the_queues_tables_go_to_the_queues_alias_and_others_are_left_to_others(settings):
    settings.DOCQUEUE = {"DATABASE": "queue"}
    router = DocqueueRouter()
    assert (router.db_for_read(QueueItem), router.db_for_write(QueueItem)) == ("queue", "queue")
    assert (router.db_for_read(ContentType), router.db_for_write(ContentType)) == (None, None)
    assert router.allow_migrate("queue", "docqueue") is True
    assert router.allow_migrate("default", "docqueue") is False
    assert router.allow_migrate("default", "contenttypes") is None


def test_the_service_works_on_the_configured_alias_unless_told_otherwise(settings):
    settings.DOCQUEUE = {"DATABASE": "queue"}
    assert DocumentQueueService().using == "queue"
    assert DocumentQueueService("other").using == "other"

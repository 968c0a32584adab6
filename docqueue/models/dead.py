"""The dead-letter queue as a list of its own: the same rows as docqueue_item, seen through one filter."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from docqueue.models.item import QueueItem


class DeadItem(QueueItem):
    """A dead item. Who may see queue items may see these."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")

"""Times in the templates of the admin, as its lists have them."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils.safestring import SafeString

from docqueue.admin import columns

register = template.Library()


@register.filter
def ago(moment: datetime | None) -> str | SafeString:
    """How long ago, with the exact time on hover."""
    return columns.ago(moment)


@register.filter
def ago_by_minutes(moment: datetime | None) -> str | SafeString:
    """The same for what is sent anew whenever it differs: no seconds."""
    return columns.ago(moment, seconds=False)

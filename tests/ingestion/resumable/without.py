"""Settings of a project that has left resumable uploads out."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "ingestion.resumable"]

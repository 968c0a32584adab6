"""Settings of the processes that the worker tests start: a small project with docqueue and the tests' handlers."""

import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]
if os.environ.get("TEST_POOL"):
    DATABASES["default"] |= {"CONN_MAX_AGE": 0}
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = True
INSTALLED_APPS = ["docqueue", "django.contrib.postgres", "tests.testapp"]
MIDDLEWARE: list[str] = []
TEMPLATES: list[str] = []
ROOT_URLCONF = "tests.docqueue.worker.project"
urlpatterns: list[str] = []

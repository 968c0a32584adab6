import os

from django.apps import AppConfig


class TestAppConfig(AppConfig):
    name = "tests.testapp"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        if seconds := os.environ.get("TEST_CHECK_SECONDS"):
            from docqueue.worker import child

            child.CHECK_SECONDS = child.RECHECK_SECONDS = float(seconds)

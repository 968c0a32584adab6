"""Armed as soon as the app is loaded, in the fork server, and so in every executor."""

from django.apps import AppConfig

from tests.ingestion.dying import arm


class Dying(AppConfig):
    name = "tests.ingestion.dying"

    def ready(self) -> None:
        arm()

"""The tests' PostgreSQL by way of a port that can be cut off."""

from __future__ import annotations

from urllib.parse import quote

from django.db import connection

from docqueue.chaos import proxy


class Proxy(proxy.Proxy):
    """The storms' proxy, in front of the test's database."""

    def __init__(self) -> None:
        self._parameters = connection.get_connection_params()
        super().__init__(self._parameters)

    def url(self) -> str:
        """DATABASE_URL for a process that is to come through here."""
        user, name = self._parameters["user"], self._parameters["dbname"]
        password = quote(str(self._parameters.get("password") or ""))
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{name}"

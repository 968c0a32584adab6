"""Django's PostgreSQL engine, except that the embedded server is up before a connection is made.

So nothing has to start the server, and a server that was killed is back when somebody reconnects.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.db.backends.postgresql import base

from config import embedded_postgres


class DatabaseWrapper(base.DatabaseWrapper):
    """See the module; connections, SQL and features are those of django.db.backends.postgresql."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            embedded_postgres.ensure_running()
        except embedded_postgres.PostgresUnavailable as error:
            # the error every caller expects of a database that can not be reached
            raise psycopg.OperationalError(str(error)) from error
        return super().get_new_connection(conn_params)

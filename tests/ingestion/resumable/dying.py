"""A web server that kills itself at one moment of taking an upload in.

`python -m tests.ingestion.resumable.dying PORT MOMENT`
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()


def die(*_args: Any, **_named: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(function: Any) -> Any:
    def wrapped(*args: Any, **named: Any) -> None:
        function(*args, **named)
        die()

    return wrapped


def arm(moment: str) -> None:
    """Have the process die there."""
    from ingestion import storage
    from ingestion.resumable import sessions
    from ingestion.resumable.writing import Writing

    match moment:
        case "before":
            sessions.accept_upload = die  # type: ignore[assignment]
        case "stored":
            storage.publish_file = after(storage.publish_file)
        case "taken_in":
            sessions.accept_upload = after(sessions.accept_upload)
        case "noted":
            Writing.remove = die  # type: ignore[method-assign]


if __name__ == "__main__":
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):  # type: ignore[misc]
        """gunicorn with one process, armed."""

        def load_config(self) -> None:
            for name, value in {"bind": f"127.0.0.1:{sys.argv[1]}", "worker_class": "gthread", "threads": 4}.items():
                self.cfg.set(name, value)
            self.cfg.set("post_fork", lambda _server, _worker: arm(sys.argv[2]))
            self.cfg.set("child_exit", lambda _server, _worker: os.kill(os.getpid(), signal.SIGKILL))

        def load(self) -> Any:
            return application

    Server().run()

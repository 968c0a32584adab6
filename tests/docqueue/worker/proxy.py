"""A database that can be cut off: a TCP port that passes bytes on to the tests' PostgreSQL, or does not."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import quote

from django.db import connection


class Proxy:
    """Listens on a port of its own. `cut` ends every connection and refuses new ones until `mend`."""

    def __init__(self) -> None:
        parameters = connection.get_connection_params()
        self._host = str(parameters.get("host") or "localhost")
        self._port = int(parameters.get("port") or 5432)
        self._user = str(parameters["user"])
        self._password = str(parameters.get("password") or "")
        self._name = str(parameters["dbname"])
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._flows = threading.Event()
        self._flows.set()
        self.port = 0
        self.accepted = 0
        self.mend()

    def url(self) -> str:
        """DATABASE_URL for a process that is to come through here."""
        return f"postgresql://{self._user}:{quote(self._password)}@127.0.0.1:{self.port}/{self._name}"

    def mend(self) -> None:
        """Let connections through, from now on."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """End every connection; new ones are refused."""
        self._flows.set()
        if self._listener is not None:
            _close(self._listener)
            self._listener = None
        with self._lock:
            for one in self._open:
                _close(one)
            self._open.clear()

    def freeze(self) -> None:
        """Connections stay open and new ones are taken, but nothing comes through any more."""
        self._flows.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            server = self._connect()
            with self._lock:
                self._open |= {client, server}
            if self._listener is not listener:
                self.cut()
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._flows.wait()
                sink.sendall(data)
        _close(source)
        _close(sink)

    def _connect(self) -> socket.socket:
        if self._host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{self._host}/.s.PGSQL.{self._port}")
            return server
        return socket.create_connection((self._host, self._port))


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()

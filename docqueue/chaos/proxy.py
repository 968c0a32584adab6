"""A way to the database that can be cut, frozen, or broken in a COMMIT: a TCP port that passes bytes on, or not."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COMMIT = b"COMMIT"
TRAP_SECONDS = 60.0  # what is held up goes on after that, whoever has forgotten it


@dataclass(kw_only=True)
class Trap:
    """Waits for `marker` in a request, and holds up its answer; or in an `answer`, and holds up its second half.

    `caught` is set when that has happened; it goes on its way when somebody sets `released`.
    """

    marker: bytes
    answer: bool
    caught: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        """Until it is released."""
        self.caught.set()
        self.released.wait(TRAP_SECONDS)


class Flow:
    """One connection: its two sockets. `silent`: nothing is passed on any more; `trap`: the next answer is caught."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.silent = False
        self.trap: Trap | None = None

    def close(self) -> None:
        """End it; both sides are told."""
        for one in (self.client, self.server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class Proxy:
    """Listens on a port of its own, in front of the database whose libpq `parameters` it is given."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._host = str(parameters.get("host") or "localhost")
        self._port = int(parameters.get("port") or 5432)
        self._flows: set[Flow] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._passing = threading.Event()
        self._passing.set()
        self._commits_to_cut = 0
        self._trap: Trap | None = None
        self.port = 0
        self.accepted = 0
        self.cut_in_commit = 0
        self.mend()

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
        """End every connection; new ones are refused until `mend`."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.reset()

    def reset(self) -> None:
        """End every connection; new ones are let through."""
        self._passing.set()
        with self._lock:
            flows, self._flows = self._flows, set()
        for flow in flows:
            flow.close()

    def freeze(self) -> None:
        """Connections stay open and new ones are taken, but nothing comes through any more, until `thaw` or `cut`."""
        self._passing.clear()

    def thaw(self) -> None:
        """What was held up goes on its way."""
        self._passing.set()

    def cut_next_commits(self, count: int) -> None:
        """The next commits arrive, and their answers do not: the connection ends instead."""
        self._commits_to_cut = count

    def lay(self, trap: Trap) -> None:
        """Catch the next that fits, in place of what an earlier trap still waits for."""
        self._trap = trap

    def take_up(self) -> None:
        """Catch nothing any more."""
        self._trap = None

    def _sprung(self, data: bytes, *, answer: bool) -> Trap | None:
        with self._lock:
            trap = self._trap
            if trap is None or trap.answer != answer or trap.marker not in data:
                return None
            self._trap = None
            return trap

    def forget_peers(self, seconds: float) -> None:
        """The connections of this moment fall silent; new ones go through. The kernel ends them after `seconds`."""
        with self._lock:
            flows, self._flows = self._flows, set()
        for flow in flows:
            flow.silent = True
        threading.Thread(target=self._bury, args=(flows, seconds), daemon=True).start()

    @staticmethod
    def _bury(flows: set[Flow], seconds: float) -> None:
        time.sleep(seconds)
        for flow in flows:
            flow.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = self._connect()
            except OSError:
                if self._listener is not listener:
                    return
                client.close()  # the database is away
                continue
            self.accepted += 1
            flow = Flow(client, server)
            with self._lock:
                self._flows.add(flow)
            if self._listener is not listener:
                self.reset()
            threading.Thread(target=self._upstream, args=(flow,), daemon=True).start()
            threading.Thread(target=self._downstream, args=(flow,), daemon=True).start()

    def _upstream(self, flow: Flow) -> None:
        with contextlib.suppress(OSError):
            while data := flow.client.recv(65_536):
                self._passing.wait()
                if flow.silent:
                    return
                flow.trap = self._sprung(data, answer=False) or flow.trap
                last = self._commits_to_cut > 0 and COMMIT in data.upper()
                if last:
                    self._commits_to_cut -= 1
                    self.cut_in_commit += 1
                    flow.silent = True  # before the answer can come
                flow.server.sendall(data)
                if last:
                    time.sleep(0.05)  # let it arrive and be carried out
                    break
        self._end(flow)

    def _downstream(self, flow: Flow) -> None:
        with contextlib.suppress(OSError):
            while data := flow.server.recv(65_536):
                self._passing.wait()
                if flow.silent:
                    return
                if trap := flow.trap or self._sprung(data, answer=True):
                    flow.trap = None
                    half = len(data) // 2 if trap.answer else 0
                    flow.client.sendall(data[:half])
                    trap.hold()
                    data = data[half:]
                flow.client.sendall(data)
        self._end(flow)

    def _end(self, flow: Flow) -> None:
        with self._lock:
            self._flows.discard(flow)
        flow.close()

    def _connect(self) -> socket.socket:
        if self._host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{self._host}/.s.PGSQL.{self._port}")
            return server
        return socket.create_connection((self._host, self._port))

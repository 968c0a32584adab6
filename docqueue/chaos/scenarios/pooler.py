"""Workers behind PgBouncer in transaction mode, with fewer server connections than workers."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping

from docqueue.chaos.handlers import DATABASE
from docqueue.chaos.proxy import Proxy
from docqueue.chaos.scenarios.kill import Kill
from docqueue.exceptions import ConfigurationError
from docqueue.store import connection

POOL = 3
START_SECONDS = 10.0


class Pooler(Kill):
    """As `kill`, on twelve workers that share three server connections."""

    about = "as kill, and 12 workers share a PgBouncer in transaction mode with 3 server connections"
    usual = {"workers": 12, "processes": 1}
    _bouncer: subprocess.Popen[bytes] | None = None
    _proxy: Proxy | None = None
    _port = 0

    def environment(self, number: int) -> Mapping[str, str]:
        """`Storm`."""
        return {DATABASE: json.dumps({"HOST": "127.0.0.1", "PORT": self._port})}

    def prepare(self) -> None:
        """`Storm`."""
        program = shutil.which("pgbouncer")
        if program is None:
            raise ConfigurationError("This storm needs PgBouncer: apt-get install pgbouncer.")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._proxy = Proxy(connection(self.using).get_connection_params())
        config = self.folder / "pgbouncer.ini"
        config.write_text(self._config())
        command = [program, str(config)]
        if os.getuid() == 0:  # it refuses to run as root
            config.chmod(0o644)
            command = [program, "-u", "nobody", str(config)]
        with (self.folder / "pgbouncer.log").open("ab") as log:
            self._bouncer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait()
        super().prepare()

    def _config(self) -> str:
        assert self._proxy is not None
        to = connection(self.using).get_connection_params()
        # By way of a port of ours: the account that PgBouncer runs as may not reach the server's socket.
        who = {name: to[name] for name in ("dbname", "user", "password") if to.get(name)}
        who = {"host": "127.0.0.1", "port": self._proxy.port, "user": getpass.getuser()} | who
        where = " ".join(f"{name}={value}" for name, value in who.items())
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self._port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": POOL,
            "max_client_conn": 1000,
            "ignore_startup_parameters": "extra_float_digits,options",
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        return "\n".join(["[databases]", f"{to['dbname']} = {where}", "[pgbouncer]", *lines, ""])

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._bouncer is not None and self._bouncer.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.05)
        raise ConfigurationError(f"PgBouncer does not start: see {self.folder / 'pgbouncer.log'}.")

    def clear_away(self) -> None:
        """`Storm`."""
        if self._bouncer is not None:
            self._bouncer.terminate()
            self._bouncer.wait(10)
        if self._proxy is not None:
            self._proxy.cut()

"""`make run`: everything in one terminal, until Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from typing import IO

from config import embedded_postgres, samples
from config.api_client import ApiClient, ApiError
from config.first_run import Access, prepare
from config.paths import var_dir
from config.processes import CanNotRun, Processes, check_port, stop_signals

SAMPLES_SECONDS = 300


def main() -> int:
    """Run until told to stop; the exit code is 0 then, and 1 when it could not start."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # A local run stops quickly; what is unfinished then is handed back and run next time.
    os.environ.setdefault("DOCQUEUE_GRACE_SECONDS", "5")
    try:
        port = _port(os.environ.get("PORT", "8000"))
        check_port(port)
        lock = only_one(port)
        with stop_signals() as stops:
            _serve(port, stops)
        lock.close()
    except (CanNotRun, embedded_postgres.PostgresUnavailable) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def _port(text: str) -> int:
    if text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise CanNotRun(f"PORT must be a number from 1 to 65535, not {text!r}.")


def only_one(port: int) -> IO[str]:
    """Hold the checkout's run lock; `CanNotRun` when it runs already."""
    var_dir().mkdir(parents=True, exist_ok=True)
    file = (var_dir() / "run.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise CanNotRun(f"It runs already: {file.read().strip()}. Stop it there with Ctrl-C first.") from error
    file.truncate(0)
    file.write(f"http://127.0.0.1:{port} (process {os.getpid()})")
    file.flush()
    return file


def _serve(port: int, stops: list[int]) -> None:
    embedded = not os.environ.get("DATABASE_URL")
    print("Preparing the database …", flush=True)
    access = prepare(var_dir() / "credentials")
    processes = Processes(port, var_dir() / "logs")
    print("Starting the web server and two workers …", flush=True)
    try:
        processes.start(stopped=lambda: bool(stops))
        if not stops:
            _send_samples(processes.site, access, stops)
        if not stops:
            _say_where(processes.site, access)
        while not stops:
            processes.watch(lambda words: print(words, flush=True))
            if embedded:
                embedded_postgres.ensure_running()
            _sleep(1, stops)
    finally:
        print("\nStopping …", flush=True)
        processes.stop(hurry=lambda: len(stops) > 1)
        if embedded:
            embedded_postgres.leave()
            embedded_postgres.wait_stopped()
    print(f"Stopped. The data is kept in {var_dir()}; `make run` goes on with it, `make reset` deletes it.")


def _send_samples(site: str, access: Access, stops: list[int]) -> None:
    from django.db import connections

    from ingestion.models import Intake

    first = not Intake.objects.exists()
    connections.close_all()
    if not first:
        return
    api = ApiClient(site, access.token)
    print("Sending the sample documents through the API …", flush=True)
    try:
        intake = samples.send(api)
        samples.follow(api, intake, seconds=SAMPLES_SECONDS, stopped=lambda: bool(stops))
        print(samples.table(samples.files(api, intake)), flush=True)
    except (ApiError, OSError) as error:
        print(f"The samples could not be sent: {error}", file=sys.stderr)


def _say_where(site: str, access: Access) -> None:
    password = access.password or "as you set it (forgotten: .venv/bin/python manage.py changepassword admin)"
    print(
        f"""
  Site          {site}/
  Log in        {site}{access.login_path}
                (this link works once)
  Admin         {site}/admin/      user {access.user}, password {password}
  API           {site}/api/docs/
                curl -H "Authorization: Token {access.token}" '{site}/api/v1/search?q=invoice'
  Credentials   {var_dir() / "credentials"}
  Logs          {var_dir() / "logs"}

  Ctrl-C stops everything; the data stays.
""",
        flush=True,
    )


def _sleep(seconds: float, stops: list[int]) -> None:
    deadline = time.monotonic() + seconds
    while not stops and time.monotonic() < deadline:
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())

"""`make run`, `make demo` and `make reset`, as a person starts them: real processes on data of their own."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config import embedded_postgres, samples
from config.api_client import answers
from config.processes import CanNotRun, check_port, free_port
from config.run import main, only_one
from tests.config.postgres_users import eventually, postmaster


class Running:
    """A `python -m config.run` whose output is read as it comes."""

    def __init__(self, root: Path, var: Path, port: int) -> None:
        env = {k: v for k, v in os.environ.items() if k not in {"EMBEDDED_POSTGRES_DIR", "DJANGO_SETTINGS_MODULE"}}
        self.var = var
        self.site = f"http://127.0.0.1:{port}"
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "config.run"], cwd=root, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env=env | {"VAR_DIR": str(var), "PORT": str(port), "LOG_FORMAT": "json"},
        )  # fmt: skip
        self.said = ""

    def until(self, words: str) -> Running:
        assert self.process.stdout
        while words not in self.said:
            line = self.process.stdout.readline()
            assert line, f"it ended without saying “{words}”:\n{self.said}"
            self.said += line
        return self

    def child(self, name: str) -> psutil.Process:
        """The child of that name, by its command line."""
        sign = {"web": "gunicorn", "worker": "run_queue_worker"}[name]
        children = psutil.Process(self.process.pid).children()
        alive = [p for p in children if p.status() != psutil.STATUS_ZOMBIE]
        return next(p for p in alive if any(sign in part for part in p.cmdline()))

    def stop(self) -> str:
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=40)
        return out

    def processes(self) -> list[psutil.Process]:
        return [
            p for p in psutil.process_iter(["environ"]) if (p.info["environ"] or {}).get("VAR_DIR") == str(self.var)
        ]


@pytest.fixture
def var(open_folder: Path) -> Iterator[Path]:
    folder = open_folder / "the data"
    yield folder
    embedded_postgres.stop(folder / "postgres")


@pytest.mark.timeout(180)
def test_a_run_heals_what_is_killed_stops_at_ctrl_c_and_goes_on_with_its_data(root: Path, var: Path) -> None:
    port = free_port()
    first = Running(root, var, port).until("Ctrl-C stops everything")
    try:
        assert answers(first.site, "/readyz")
        assert "100 %" in first.said
        link = re.search(r"/login/\S+", first.said)
        assert link
        assert samples_table_is_in(first.said)

        for name in ("web", "worker"):
            victim = first.child(name)
            os.killpg(victim.pid, signal.SIGKILL)
            first.until("ended (by signal SIGKILL); starting it again")
            first.said = ""
        eventually(lambda: answers(first.site, "/readyz"))

        server = postmaster(var / "postgres")
        assert server
        server.kill()
        eventually(lambda: (now := postmaster(var / "postgres")) and now.pid != server.pid)
        eventually(lambda: answers(first.site, "/readyz"))
    finally:
        began = time.monotonic()
        said = first.stop()
    assert time.monotonic() - began < 25
    assert "Stopped. The data is kept" in said
    assert first.process.returncode == 0
    assert not first.processes()
    credentials = (var / "credentials").read_text()
    assert stat.S_IMODE((var / "credentials").stat().st_mode) == 0o600

    second = Running(root, var, port).until("Ctrl-C stops everything")
    try:
        assert time.monotonic() - second.began < 30  # some seconds on a machine with nothing else to do
        assert "Sending the sample documents" not in second.said
        assert (var / "credentials").read_text() == credentials
        password = re.search(r"password: (\S+)", credentials)
        assert password
        assert password[1] in second.said
    finally:
        second.stop()


def samples_table_is_in(said: str) -> bool:
    expected = samples.Expected.read()
    return all(path in said for path in expected.files)


@pytest.mark.timeout(120)
def test_when_the_manager_itself_is_killed_nothing_of_it_is_left(root: Path, var: Path) -> None:
    running = Running(root, var, free_port()).until("Starting the web server")
    eventually(lambda: answers(running.site))
    running.process.kill()
    running.process.communicate(timeout=20)
    eventually(lambda: not running.processes(), 40)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_demo_ends_well_and_leaves_nothing_behind(root: Path, open_folder: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k not in {"EMBEDDED_POSTGRES_DIR", "DJANGO_SETTINGS_MODULE"}}
    done = subprocess.run(
        [sys.executable, "-m", "config.demo"], cwd=root, env=env | {"VAR_DIR": str(open_folder / "var")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert samples_table_is_in(done.stdout)
    assert "Every file ended as it should." in done.stdout
    assert not [p for p in (open_folder / "var").iterdir() if p.name.startswith("demo-")]


def test_a_port_that_is_taken_is_named_with_a_way_out() -> None:
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", 0))
        taker.listen()
        port = taker.getsockname()[1]
        with pytest.raises(CanNotRun, match=rf"Port {port} is taken by process {os.getpid()} .*PORT={port + 1}"):
            check_port(port)
    check_port(port)


@pytest.mark.parametrize("port", ["", "eighty", "0", "70000", "-1"])
def test_a_port_that_is_none_is_refused_in_plain_words(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", port)
    assert main() == 1
    assert f"PORT must be a number from 1 to 65535, not '{port}'." in capsys.readouterr().err


def test_a_checkout_is_run_once_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    with only_one(8000), pytest.raises(CanNotRun, match=r"It runs already: http://127.0.0.1:8000 \(process \d+\)"):
        only_one(8001)
    only_one(8001).close()


@pytest.mark.timeout(60)
def test_reset_deletes_the_data_but_not_under_a_running_site(root: Path, var: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k != "EMBEDDED_POSTGRES_DIR"} | {"VAR_DIR": str(var)}

    def reset() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "config.reset"], cwd=root, env=env, capture_output=True, text=True)

    assert "nothing to delete" in reset().stdout
    embedded_postgres.ensure_running(var / "postgres")
    embedded_postgres.leave()
    (var / "documents").mkdir()
    lock = subprocess.Popen(
        [sys.executable, "-c", "from config.run import only_one; l = only_one(1); print(1, flush=True); input()"],
        cwd=root, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert lock.stdout
    lock.stdout.readline()
    refused = reset()
    assert refused.returncode == 1
    assert "It runs already" in refused.stderr
    assert (var / "documents").exists()
    lock.communicate("\n")
    done = reset()
    assert done.returncode == 0, done.stderr
    assert not var.exists()
    assert postmaster(var / "postgres") is None

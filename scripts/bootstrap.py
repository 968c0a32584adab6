"""Make or renew the virtual environment (`make setup`). Needs nothing but Python itself.

Installs from the hash-pinned lock file of this Python, and only when that file has changed since: with an
environment that is up to date nothing is asked of the network. Written so that an old Python can still read it
and be told that it is too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
NEEDED_BYTES = 1_000_000_000
ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("VENV") or ".venv")
VENV = FOLDER if FOLDER.is_absolute() else ROOT / FOLDER
STAMP = VENV / "docqueue-stamp"


def fail(words):
    print("\n" + words, file=sys.stderr)
    sys.exit(1)


def lock_for(version):
    return ROOT / "requirements" / ("py311.txt" if version == (3, 11) else "py312plus.txt")


def stamp_for(version):
    """What the stamp says when all is well; the path is in it since environments can not be moved."""
    digest = hashlib.sha256(lock_for(version).read_bytes()).hexdigest()
    return "{}.{} {} {}".format(*version, digest, VENV)


def stamp():
    """What the stamp says: version, digest of the lock file, path; empty when there is none."""
    return STAMP.read_text() if STAMP.exists() and (VENV / "bin" / "python").exists() else ""


def up_to_date():
    """Whether the environment there is good; which of the Pythons that are new enough made it does not matter."""
    try:
        version = tuple(int(part) for part in stamp().split(" ", 1)[0].split("."))
    except ValueError:
        return False
    return version >= OLDEST and stamp() == stamp_for(version)


def usable():
    """Whether the environment there was made in this place by this Python, and only the lock file has changed."""
    here = stamp_for(sys.version_info[:2]).split(" ", 2)
    return stamp().split(" ", 2)[::2] == here[::2]


def check_machine():
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        fail(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed; {sys.executable} is {found}.\n"
            "Install a newer one, or name it: make PYTHON=/path/to/python3.11 …"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        fail(
            f"This Python has no module {error.name}, so no virtual environment can be made.\n"
            f"On Debian or Ubuntu: apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        )
    free = shutil.disk_usage(str(ROOT)).free
    if free < NEEDED_BYTES:
        fail(f"The disk is nearly full: {free // 1_000_000} MB are free in {ROOT}, about 1000 are needed.")
    if not os.access(str(VENV if VENV.exists() else VENV.parent), os.W_OK):
        fail(f"{VENV if VENV.exists() else VENV.parent} can not be written: it belongs to another user.")


def run(words, *command):
    """Run a step; show its output only if it fails."""
    print(words, end=" ", flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 0:
        print("done")
        return
    tail = "\n".join(line for line in done.stdout.splitlines()[-15:] if not line.startswith("WARNING: Location"))
    reason = "It did not work; the last lines say why."
    if "No space left on device" in done.stdout:
        reason = "The disk is full. Free some space, then run the same command again."
    elif any(sign in done.stdout for sign in ("NewConnectionError", "No matching distribution", "ReadTimeout")):
        reason = "The package index could not be reached or lacks a package. Once installed, no network is needed."
    fail(f"{tail}\n\n{reason}")


def main():
    if up_to_date():
        return
    check_machine()
    python = str(VENV / "bin" / "python")
    version = sys.version_info[:2]
    if not usable():
        run(f"Making a virtual environment in {FOLDER} …", sys.executable, "-m", "venv", "--clear", str(VENV))
    lock = lock_for(version)
    run(
        f"Installing what requirements/{lock.name} pins (about a minute) …",
        python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
        "--require-hashes", "--requirement", str(lock),
    )  # fmt: skip
    STAMP.write_text(stamp_for(version))


if __name__ == "__main__":
    main()

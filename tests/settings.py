"""Settings of the tests: the project's own, with files in a folder that vanishes and a database of their own.

Several test runs may go on at once, on one embedded server: each takes the first free number, and with it the
database test_docqueue_<number>, for as long as it lives. Processes that a test starts are told which (TEST_DATABASE,
by the fixture project_env) and work on the same database and files.
"""

import fcntl
import itertools
import os
import shutil
import tempfile
from typing import IO

from config.paths import postgres_dir

_STARTED_BY_A_TEST = os.environ.get("TEST_DATABASE")

if not _STARTED_BY_A_TEST:
    os.environ.setdefault("EMBEDDED_POSTGRES_DIR", str(postgres_dir()))  # the checkout's server, not one a run
    _slots = postgres_dir().with_name("test-slots")
    os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="docqueue-tests-")
os.environ.setdefault("LOG_FORMAT", "console")


from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, INSTALLED_APPS, REST_FRAMEWORK  # noqa: E402


def _free_slot() -> tuple[int, IO[str]]:
    _slots.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        file = (_slots / str(number)).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return number, file
    raise AssertionError


def remove_files() -> None:
    """Delete the files of this run; for its end. (Not atexit: side processes of pytest-xdist skip that.)"""
    shutil.rmtree(os.environ["VAR_DIR"], ignore_errors=True)


if _STARTED_BY_A_TEST:
    DATABASES["default"]["NAME"] = _STARTED_BY_A_TEST
else:
    _slot, _slot_file = _free_slot()
    DATABASES["default"]["TEST"] = {"NAME": f"test_docqueue_{_slot}"}

INSTALLED_APPS += ["tests.testapp"]
# Tests ask as often as they like; those of the throttles set their own.
REST_FRAMEWORK = REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": {}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

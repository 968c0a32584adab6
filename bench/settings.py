"""The project's settings, on a database and files of its own, with the benchmark's handler."""

import os
from pathlib import Path

from config.paths import postgres_dir, var_dir

os.environ.setdefault("EMBEDDED_POSTGRES_DIR", str(postgres_dir()))  # share the checkout's server
os.environ["VAR_DIR"] = str(Path(os.environ.get("BENCH_VAR_DIR") or var_dir() / "bench"))
os.environ["EMBEDDED_POSTGRES_DATABASE"] = "docqueue_bench"

from config.settings import *  # noqa: E402, F403
from config.settings import INSTALLED_APPS  # noqa: E402

INSTALLED_APPS = [*INSTALLED_APPS, "bench"]

"""The project's settings, on a database server and files of their own in var/bench, with the benchmarks' handlers."""

import os

from config.paths import var_dir

if not os.environ.get("BENCH_VAR_DIR"):
    os.environ["BENCH_VAR_DIR"] = str(var_dir() / "bench")  # child processes inherit it
os.environ["VAR_DIR"] = os.environ["BENCH_VAR_DIR"]
if os.environ.get("PGDATABASE"):  # set for the drivers, each of which has a database of its own
    os.environ["EMBEDDED_POSTGRES_DATABASE"] = os.environ["PGDATABASE"]

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "bench"]

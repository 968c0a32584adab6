"""`make chaos`: every storm of `queue_chaos` with every seed, each on a fresh database. Exit 1 on any violation."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from urllib.parse import urlsplit

import psycopg

from config import embedded_postgres
from config.paths import BASE_DIR, postgres_dir, var_dir
from config.postgres_place import locate, programs
from docqueue.chaos import cluster

DATABASE = "docqueue_chaos"
SCENARIOS = "kill zombie restart unflushed poison rollback clock pooler network failover asynchronous"
LOSES = "asynchronous"  # by its nature: there the checker has to find what is lost


def main(arguments: Sequence[str]) -> int:
    """Run them all; what they are told beyond the seeds goes to `queue_chaos`."""
    parser = ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seeds", default="1 2 3", help="separated by spaces or commas")
    parser.add_argument("--scenarios", default="", help="default: all")
    given, rest = parser.parse_known_args(arguments)
    server = os.environ.get("DATABASE_URL")
    if not server:
        embedded_postgres.ensure_running()  # it stays as long as this process
        server = embedded_postgres.database_url()
    env = os.environ | {"DATABASE_URL": urlsplit(server)._replace(path=f"/{DATABASE}").geturl(), "LOG_FORMAT": "json"}
    place = locate(postgres_dir())
    env |= {cluster.PROGRAMS: str(programs(place))}
    if place.account is not None:
        env |= {cluster.ACCOUNT: place.account.name}
    failed = []
    for scenario in given.scenarios.replace(",", " ").split() or SCENARIOS.split():
        for seed in given.seeds.replace(",", " ").split():
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f'drop database if exists "{DATABASE}" with (force)')
                connection.execute(f'create database "{DATABASE}"')
            subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=BASE_DIR, env=env, check=True)
            folder = str(var_dir() / "chaos" / f"{scenario}-{seed}-{os.getpid()}")
            storm = ["queue_chaos", scenario, "--seed", seed, "--folder", folder, *rest]
            code = subprocess.run([sys.executable, "manage.py", *storm], cwd=BASE_DIR, env=env, check=False).returncode
            if (code != 0) != (scenario == LOSES):
                failed.append(f"{scenario} with seed {seed}")
    sys.stdout.write(f"FAILED: {', '.join(failed)}\n" if failed else "every storm passed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

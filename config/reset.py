"""`make reset`: delete everything that was generated."""

from __future__ import annotations

import shutil
import sys

from config import embedded_postgres
from config.paths import postgres_dir, var_dir
from config.postgres_place import locate
from config.processes import CanNotRun
from config.run import only_one


def main() -> int:
    """Stop the embedded server and delete the folder of generated files, and the database where that lies elsewhere."""
    if not var_dir().exists():
        print("There is nothing to delete.")
        return 0
    try:
        lock = only_one(0)
    except CanNotRun as error:
        print(error, file=sys.stderr)
        return 1
    embedded_postgres.stop()
    place = locate(postgres_dir())
    folders = [folder for folder in (place.socket_dir, place.base, var_dir()) if folder.exists()]
    for folder in folders:
        shutil.rmtree(folder)
    lock.close()
    print(f"Deleted {', '.join(map(str, folders))}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

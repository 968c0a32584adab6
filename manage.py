#!/usr/bin/env python
"""Django's command line for this project."""

import os
import signal
import sys


def main() -> None:
    if sys.argv[1:2] == ["run_queue_worker"]:
        # Until the worker listens, INT ends it as TERM does. Python's own KeyboardInterrupt can get lost in an import.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django is not installed for this Python. Run `make setup`, then use .venv/bin/python manage.py …"
        ) from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

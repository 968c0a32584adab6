"""Imported once by the fork server, and only there: each child then starts with Django and all handlers loaded.

The fork server opens no connection and no thread. It stands in a process group of its own and ignores SIGTERM: a
signal to the supervisor's whole group must not take the children's parent away while they finish.
"""

import os
import signal

import django

django.setup()
os.setpgid(0, 0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)

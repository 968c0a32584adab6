"""ASGI entry point: `gunicorn config.asgi:application -k asgi`, for streams of events."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Under ASGI each request has a thread of its own, so a connection that is kept for the next one is never used again.
os.environ.setdefault("DATABASE_CONN_MAX_AGE", "0")
application = get_asgi_application()

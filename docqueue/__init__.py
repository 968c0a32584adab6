"""A durable document queue that lives inside a Django project's own PostgreSQL."""

__version__ = "0.1.0"

"""The REST interface (needs the extra `rest`: Django REST framework and drf-spectacular)."""

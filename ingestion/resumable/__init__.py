"""Uploads that can be resumed, by the protocol tus 1.0.0: a room of its own that a project may leave out.

Take "ingestion.resumable" out of INSTALLED_APPS and it is gone; nobody outside imports it.
"""

"""Subscribers to docqueue's events. Nobody imports them but the app's start."""

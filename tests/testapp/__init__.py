"""A tiny Django app with handlers and one table, for the tests of real workers."""

"""The worker: a supervisor that claims and settles, and executors that run handlers. No SQL here."""

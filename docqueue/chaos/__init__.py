"""`queue_chaos`: storms on real processes, a ledger of what was seen, and a checker of the history that it tells."""

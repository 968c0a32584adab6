-- One at a time fills up the shares of a queue's tenants; for as long as its transaction takes, which is short.
select pg_advisory_xact_lock(%(lock_class)s + 3, hashtext(%(queue)s) & 1023)

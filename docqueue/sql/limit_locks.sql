-- Wait no longer than that for a lock, until the transaction ends.
select set_config('lock_timeout', %(milliseconds)s::int::text, true)

-- End this session if its transaction then does nothing for so long; holds until the transaction ends.
select set_config('idle_in_transaction_session_timeout', %(milliseconds)s::int::text, true)

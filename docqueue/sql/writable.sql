-- Whether this session's transactions may write.
select current_setting('transaction_read_only') = 'off'

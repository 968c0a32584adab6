-- What time it is: only the database's clock decides.
select clock_timestamp()

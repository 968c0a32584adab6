-- The process that serves this session.
select pg_backend_pid()

-- What of the server and its surroundings a queue depends on, in one row of JSON.
select json_build_object(
    'version', current_setting('server_version_num')::int,
    'recovery', pg_is_in_recovery(),
    'read_only', current_setting('default_transaction_read_only'),
    'fsync', current_setting('fsync'),
    'full_page_writes', current_setting('full_page_writes'),
    'synchronous_commit', current_setting('synchronous_commit'),
    'standbys', current_setting('synchronous_standby_names'),
    'autovacuum', current_setting('autovacuum'),
    'track_counts', current_setting('track_counts'),
    'now', extract(epoch from clock_timestamp()),
    'connections', (select count(*) from pg_stat_activity where datname is not null),
    'sees_others', pg_has_role(current_user, 'pg_read_all_stats', 'usage') or not exists (
        select from pg_stat_activity where datname = current_database() and usename <> current_user),
    'max_connections', current_setting('max_connections')::int,
    'oldest_snapshot_seconds', (
        select extract(epoch from max(clock_timestamp() - xact_start)) from pg_stat_activity
        where backend_xmin is not null and pid <> pg_backend_pid() and backend_type = 'client backend'
            and datname = current_database()),
    'prepared_transactions', (select count(*) from pg_prepared_xacts),
    'invalid_indexes', (
        select coalesce(json_agg(c.relname order by c.relname), '[]') from pg_index i
        join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
        where t.relnamespace = (select relnamespace from pg_class where oid = 'docqueue_item'::regclass)
            and t.relname like 'docqueue\_%%' and not i.indisvalid),
    'item_autovacuum', not exists (
        select from pg_class, unnest(reloptions) as option
        where oid = 'docqueue_item'::regclass and option ~* '^autovacuum_enabled=(false|off|no|f|n|0)$'),
    'dead_rows', (select n_dead_tup from pg_stat_user_tables where relid = 'docqueue_item'::regclass),
    'live_rows', (select n_live_tup from pg_stat_user_tables where relid = 'docqueue_item'::regclass),
    'wraparound_age', (select age(relfrozenxid) from pg_class where oid = 'docqueue_item'::regclass),
    'partitions_ahead', (
        select count(*) from pg_inherits h join pg_class c on c.oid = h.inhrelid
        where h.inhparent = 'docqueue_history'::regclass
            and (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\)'))[1]::timestamptz > clock_timestamp()),
    'lost_workers', (
        select count(*) from docqueue_worker where kind = 'worker' and lost_at > clock_timestamp() - interval '1 hour')
)::text

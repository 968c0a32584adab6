-- Note who sees to a group of dead items; with no name and no note, that nobody does. No row: there is no such group.
update docqueue_failure set
    acknowledged_at = case when %(clear)s then null else (select coalesce(%(now)s::timestamptz, clock_timestamp())) end,
    acknowledged_by = %(by)s, note = %(note)s
where fingerprint = %(fingerprint)s
returning number

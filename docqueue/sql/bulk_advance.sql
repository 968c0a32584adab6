-- Note how far a bulk operation has come, in the transaction that changed its items; and why which were skipped, if any were.
update docqueue_bulk set reached_id = %(reached)s, done = done + %(done)s, skipped = skipped + %(skipped)s,
    options = case when %(why)s::jsonb is null then options else options || jsonb_build_object('skipped', %(why)s::jsonb) end
where id = %(id)s

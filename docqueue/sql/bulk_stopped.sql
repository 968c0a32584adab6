-- Note what has stopped a bulk operation, for those who look at it.
update docqueue_bulk set options = options || jsonb_build_object('stopped', %(why)s::text) where id = %(id)s

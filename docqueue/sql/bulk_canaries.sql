-- Note which items of a bulk operation went first; with none, that they are completed, so that the rest may follow.
update docqueue_bulk set
    options = case
        when %(ids)s::bigint[] is null then options - 'canaries' - 'canary'
        else options || jsonb_build_object('canaries', %(ids)s::bigint[])
    end
where id = %(id)s

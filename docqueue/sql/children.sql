-- The first items that come after this one, by id, and what is to become of each if this one fails.
select child_id, if_failed from docqueue_dependency where parent_id = %(item_id)s order by child_id limit %(limit)s

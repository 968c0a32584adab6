-- The bulk operations that are to be gone on with.
select id from docqueue_bulk where state = 'running' order by id

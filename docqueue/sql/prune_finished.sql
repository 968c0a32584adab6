-- Remove a slice of the totals of what the history does not hold any more.
with old as materialized (
    select id from docqueue_finished_total where at < %(before)s order by id limit %(limit)s for update skip locked
), gone as (
    delete from docqueue_finished_total t using old o where t.id = o.id returning t.id
)
select count(*) from gone

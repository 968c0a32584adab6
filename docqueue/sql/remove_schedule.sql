-- Remove a schedule that was made in the admin, and what is known of its ticks. Their items stay.
with gone as (
    delete from docqueue_schedule where name = %(name)s and source = 'admin' returning id
), ticks as (
    delete from docqueue_schedule_tick t using gone where t.schedule_id = gone.id
)
select id from gone

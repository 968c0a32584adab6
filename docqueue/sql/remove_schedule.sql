-- Remove a schedule that was made in the admin, or has left the code and was paused for it (`left_code`; null: it is in the code
-- of whoever asks), and what is known of its ticks. Their items stay.
with gone as (
    delete from docqueue_schedule where name = %(name)s and (source = 'admin' or paused_reason = %(left_code)s)
    returning id
), ticks as (
    delete from docqueue_schedule_tick t using gone where t.schedule_id = gone.id
)
select id from gone

-- Make the bucket of a budget, full. Whoever is second finds it made.
insert into docqueue_limit (key, rate, burst, tokens, refilled_at)
values (%(key)s, %(rate)s, %(burst)s, %(burst)s, coalesce(%(now)s::timestamptz, clock_timestamp()))
on conflict (key) do nothing

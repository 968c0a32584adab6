-- For which of the rules that have a line of their own somebody waits: a look at the front of each line.
select 'ordering' where exists (select from docqueue_item where status = 'waiting' and wait_reason = 'ordering')
union all
select 'concurrency' where exists (select from docqueue_item where status = 'waiting' and wait_reason = 'concurrency')
union all
select 'limited' where exists (select from docqueue_item where status = 'waiting' and wait_reason = 'limited')
union all
select 'fair_share' where exists (select from docqueue_item where status = 'waiting' and wait_reason = 'fair_share')
union all
select 'dependency' where exists (select from docqueue_dependency where outcome is null)

-- The writer has seen to it that every event follows the last one recorded.
insert into alert_event by name
select *, cast($now as timestamp) as recorded_at from batch;

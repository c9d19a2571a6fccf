insert into run by name select * from batch on conflict do nothing;

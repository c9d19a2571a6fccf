select distinct alert_id from batch where alert_id not in (select id from alert) order by alert_id;

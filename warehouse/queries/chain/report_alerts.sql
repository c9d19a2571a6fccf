select alert_id, level, state from report_alert where sha256 = $sha256 order by alert_id;

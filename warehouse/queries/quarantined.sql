select * from quarantine where $season is null or season = $season order by season, gate, key, reasons;

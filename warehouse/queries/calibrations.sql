select * from calibration order by calibrated_at, config_hash;

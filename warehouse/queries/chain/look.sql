select number from look where target = $target and season = $season;

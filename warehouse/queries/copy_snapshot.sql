copy from database warehouse to snapshot;

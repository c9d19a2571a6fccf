insert into schema_migration values ($number, $name, $sha256, $now);

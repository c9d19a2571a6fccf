"""What a load rests on: batches refused or added whole, cards and lives of alerts, the serving tables."""

"""What the warehouse says when asked: tables, sites, one SELECT, chains of provenance, Parquet."""

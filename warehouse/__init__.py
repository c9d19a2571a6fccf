"""All that is kept: the pixel cube and the DuckDB warehouse."""

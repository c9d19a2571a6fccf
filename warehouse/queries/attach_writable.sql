-- v1.5.0 so that DuckDB 1.5 clients can read the file; the default of 2.0 shuts them out. Small blocks, because
-- every column of every table takes one: 0.6 MB instead of 8 MB for an empty warehouse.
attach $path as warehouse (storage_version 'v1.5.0', block_size 16384);

select block_size, total_blocks, free_blocks from pragma_database_size() where database_name = 'warehouse';

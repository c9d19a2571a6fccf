attach $path as snapshot (storage_version 'v1.5.0', block_size 16384);

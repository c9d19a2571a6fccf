"""Assets: the bytes of a scene, fetched sparsely, verified, and turned into pixels."""

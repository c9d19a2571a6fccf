"""The engine: how the networks are run fast, in any batch and number of threads to the same bits."""

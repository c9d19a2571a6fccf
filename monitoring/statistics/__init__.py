"""Statistics of short annual series, many at once: arrays in, arrays out; knows nothing of woodlands."""

"""Published embeddings: read at woodland pixels from stores that somebody else computed."""

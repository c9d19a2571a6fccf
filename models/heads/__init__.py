"""Heads: regressions from embeddings to a target, with honest skill and uncertainty."""

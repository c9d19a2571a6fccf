"""Estimating: from the cube, or published embeddings, to staged rows of woodlands and reference sites."""

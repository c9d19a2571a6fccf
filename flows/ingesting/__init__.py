"""Ingesting: from the catalogue to the pixel cube, and what was judged of it on the way."""

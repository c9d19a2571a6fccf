"""Provenance: what a figure comes from, and whether it can be computed again."""

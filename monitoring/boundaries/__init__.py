"""Boundaries: what a new release of a woodland inventory made of the woodlands before it."""

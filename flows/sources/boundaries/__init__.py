"""Boundaries: woodland polygons, mended or refused."""

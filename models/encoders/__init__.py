"""Frozen encoders: from the observations of a pixel to its embedding."""

"""Weights: brought here, compared with what a card pins, read without unpickling."""

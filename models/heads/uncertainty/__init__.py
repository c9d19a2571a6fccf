"""Uncertainty: conformal intervals, and the parts of an error (label, place, year) with their correlation."""

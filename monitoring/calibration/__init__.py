"""Calibration: how often the whole rule is wrong and right in worlds whose truth is known."""

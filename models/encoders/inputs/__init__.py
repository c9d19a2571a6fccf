"""Inputs: what each encoder is told about a pixel, checked, selected and standardised."""

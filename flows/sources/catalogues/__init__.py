"""Catalogues: where scenes are offered, and what is new there."""

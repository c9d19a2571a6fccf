"""Mapping: what the head says of every cell, as files with a STAC item."""

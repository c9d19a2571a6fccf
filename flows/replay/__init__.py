"""Replay: rich years embedded again as if they had been seen as rarely as poor ones, for gate G3."""

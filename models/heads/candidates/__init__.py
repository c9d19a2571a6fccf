"""Candidates: the regressions that are compared under the same folds, each a torch module once fitted."""

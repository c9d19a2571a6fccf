"""Modelling: field samples embedded, heads fitted, kept, compared and promoted."""

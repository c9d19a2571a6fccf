"""Corroboration: what other evidence says of a decline that richness alone suggests."""

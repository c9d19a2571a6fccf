"""A table of one's own: annual histories read without a warehouse, and what was found in them."""

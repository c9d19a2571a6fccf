"""Weather: a daily table of one's own in, extreme days per woodland and year out."""

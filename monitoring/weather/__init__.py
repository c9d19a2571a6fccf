"""Weather: days of heat and drought at a woodland, and whether a decline outlasts them."""

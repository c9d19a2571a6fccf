"""The vocabulary and the science: pure functions of frozen dataclasses, importing none of our rooms."""

"""Releases: the woodland inventory as it is revised, each release matched with the one before it."""

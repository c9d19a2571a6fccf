"""Trends: annual histories of woodlands, what they are held against, and what is tested over them."""

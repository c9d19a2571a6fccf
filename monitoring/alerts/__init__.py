"""Alerts: when a trend is worth a person's visit, why, and what becomes of it."""

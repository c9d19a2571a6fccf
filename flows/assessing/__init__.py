"""Assessing: from annual histories to trends, contrasts and alerts, in pure pieces."""

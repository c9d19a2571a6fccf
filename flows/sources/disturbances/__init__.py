"""Disturbances: fellings, fires and alerts from a layer of the user's own, laid over the woodlands."""

"""Pretraining: how an encoder of our own is made."""

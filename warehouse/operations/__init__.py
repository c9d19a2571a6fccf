"""Keeping the file in order: checks, backup and restore, room on disk."""

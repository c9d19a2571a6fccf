"""Cubes handed out: a woodland's part of what is held, and small cubes around any point."""

"""Statistical models: frozen encoders, heads, their cards and their training."""

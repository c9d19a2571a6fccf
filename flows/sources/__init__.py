"""Reading the world: catalogues, pixels, boundaries, field samples. Nothing here imports Prefect."""

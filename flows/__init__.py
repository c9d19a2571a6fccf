"""Where everything meets: Prefect flows, settings, the command line."""

"""Handing out: what leaves the service, as files at any address."""

"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")


def shared_directory() -> Path:
    """Where the real data, golden numbers and weights lie, whether or not they are there."""
    default = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("UNDERWOOD_SHARED", default))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; the test is skipped where it is absent."""
    directory = shared_directory()
    if not directory.is_dir():
        pytest.skip(f"no shared data at {directory} (set UNDERWOOD_SHARED)")
    return directory

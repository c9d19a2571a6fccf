"""Lets the tests of this folder share the small worlds of others."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "warehouse"))

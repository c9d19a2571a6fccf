"""What reaches the terminal is ours: other people's logs stay out of it unless asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SERVER_LOG = """
from flows.cli import quieten
quieten(debug={debug})
import logging
from prefect.logging.configuration import setup_logging
setup_logging()
print(logging.getLogger("prefect.server.services.task_run_recorder").isEnabledFor(logging.ERROR))
"""


@pytest.mark.parametrize(
    ("debug", "told"), [(False, "False"), pytest.param(True, "True", marks=pytest.mark.slow)]
)
def test_a_temporary_flow_server_that_waits_for_its_database_is_no_news_of_ours(
    debug: bool, told: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    said = subprocess.run(
        [sys.executable, "-c", SERVER_LOG.format(debug=debug)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert said.stdout.strip() == told

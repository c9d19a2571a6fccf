"""A real Prefect server and worker on loopback: schedules appear, a season runs, both stop."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from warehouse.reader import read

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(what: str, probe: Callable[[], Any], seconds: float) -> Any:
    """Return the first truthy answer of `probe`; fail when none comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if answer := probe():
                return answer
        except httpx.TransportError:
            pass
        time.sleep(1)
    pytest.fail(f"{what}: not within {seconds:.0f} s")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """Settings of a service with a trained head and an empty warehouse."""
    folder = tmp_path_factory.mktemp("serving") / "copy"
    shutil.copytree(trained.parent, folder)
    return folder / trained.name


@pytest.fixture(scope="module")
def api(service: Path) -> Iterator[str]:
    """The API of a server that `underwood serve` keeps, with its worker."""
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    log = (service.parent / "serve.log").open("wb")
    command = [sys.executable, "-m", "flows.cli", "--config", str(service), "serve", "--port", str(port)]
    running = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}/api"
    finally:
        running.send_signal(signal.SIGTERM)
        ended = running.wait(60)
        log.close()
    assert ended == 0
    assert not processes_of(running.pid), "server or worker outlived the service"


def processes_of(group: int) -> list[int]:
    """Return the live processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if fields[2] == str(group) and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def post(api: str, path: str, content: dict[str, Any]) -> Any:
    answer = httpx.post(f"{api}{path}", json=content, timeout=20)
    answer.raise_for_status()
    return answer.json()


@pytest.fixture(scope="module")
def deployment(api: str) -> dict[str, Any]:
    def look() -> Any:
        answer = httpx.get(f"{api}/deployments/name/season/seasonal", timeout=5)
        return answer.json() if answer.status_code == httpx.codes.OK else None

    found: dict[str, Any] = wait_for("the seasonal deployment", look, 150)
    return found


def test_the_schedule_puts_scheduled_runs_on_the_server(api: str, deployment: dict[str, Any]) -> None:
    wanted = {"deployments": {"id": {"any_": [deployment["id"]]}}}
    runs = wait_for("a SCHEDULED run", lambda: post(api, "/flow_runs/filter", wanted), 90)
    assert {run["state_type"] for run in runs} == {"SCHEDULED"}
    when = {run["expected_start_time"][5:16] for run in runs}
    assert when <= {"02-15T03:00", "05-15T03:00", "08-15T03:00", "11-15T03:00"}


def test_a_season_runs_through_the_worker(api: str, deployment: dict[str, Any], service: Path) -> None:
    content = {"parameters": {"season_id": "2025-Q4", "config": str(service)}, "state": {"type": "SCHEDULED"}}
    run = post(api, f"/deployments/{deployment['id']}/create_flow_run", content)

    def ended() -> Any:
        state = httpx.get(f"{api}/flow_runs/{run['id']}", timeout=5).json()["state"]
        return state if state["type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} else None

    state = wait_for("the season's run", ended, 240)
    assert state["type"] == "COMPLETED", state["message"]
    with read(service.parent / "service" / "published" / "underwood.duckdb") as reader:
        assert len(reader.history(season="2025-Q4")) > 60

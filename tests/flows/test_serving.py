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
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

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
        except (httpx.TransportError, ObjectNotFound):
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


@pytest.fixture(scope="module")
def client(api: str) -> Iterator[SyncPrefectClient]:
    """A client of the server as its users have one.

    It asks again after a 503: with SQLite beneath it, the server answers one to a request that wanted to
    write what another was just writing.
    """
    with SyncPrefectClient(api) as client:
        yield client


@pytest.fixture(scope="module")
def deployment(client: SyncPrefectClient) -> DeploymentResponse:
    def look() -> DeploymentResponse:
        return client.read_deployment_by_name("season/seasonal")

    found: DeploymentResponse = wait_for("the seasonal deployment", look, 150)
    return found


def test_the_schedule_puts_scheduled_runs_on_the_server(
    client: SyncPrefectClient, deployment: DeploymentResponse
) -> None:
    its_own = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    runs: list[FlowRun] = wait_for(
        "a SCHEDULED run", lambda: client.read_flow_runs(deployment_filter=its_own), 90
    )
    assert {run.state_type.value for run in runs if run.state_type} == {"SCHEDULED"}
    when = {f"{run.expected_start_time:%m-%dT%H:%M}" for run in runs}
    assert when <= {"02-15T03:00", "05-15T03:00", "08-15T03:00", "11-15T03:00"}


def test_a_season_runs_through_the_worker(
    client: SyncPrefectClient, deployment: DeploymentResponse, service: Path
) -> None:
    asked = {"season_id": "2025-Q4", "config": str(service)}
    run = client.create_flow_run_from_deployment(deployment.id, parameters=asked, state=Scheduled())

    def ended() -> State | None:
        state = client.read_flow_run(run.id).state
        return state if state and state.is_final() else None

    state: State = wait_for("the season's run", ended, 240)
    assert state.is_completed(), state.message
    with read(service.parent / "service" / "published" / "underwood.duckdb") as reader:
        assert len(reader.history(season="2025-Q4")) > 60

"""Deployments with schedules, and a server and worker for one machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.flows import Flow
from prefect.schedules import Cron, Schedule
from prefect.types.entrypoint import EntrypointType

from flows.estimating.seats import devices
from flows.settings import Settings
from monitoring.errors import SettingsError

#: How long a server may take to answer on its first start (it migrates its own database), seconds.
SERVER_START_S = 120.0
#: How long a stopped process may take to end before it is killed, seconds.
STOP_S = 20.0


@dataclass(frozen=True)
class Deployed:
    """A deployment as the server knows it."""

    name: str
    id: str
    schedule: str
    work_pool: str


def deploy(settings: Settings, config: Path) -> tuple[Deployed, ...]:
    """Create or update the deployments, their work pool and the GPU's single seat on the server in use."""
    from flows.pipeline import backfill, season

    pool = settings.schedule.work_pool
    _ensure_pool(pool)
    parameters = {"config": str(config.resolve())}
    when = Cron(settings.schedule.cron, timezone=settings.schedule.timezone)
    seasonal = _deployment(season, "seasonal", parameters, pool, when)
    by_hand = _deployment(backfill, "by-hand", parameters, pool)
    rule = f"{settings.schedule.cron} ({settings.schedule.timezone})"
    return (
        Deployed("season/seasonal", str(seasonal.apply()), rule, pool),
        Deployed("backfill/by-hand", str(by_hand.apply()), "on request", pool),
    )


def _deployment(
    of: Flow[..., Any], name: str, parameters: dict[str, Any], pool: str, schedule: Schedule | None = None
) -> RunnerDeployment:
    """Return a deployment whose worker imports the flow by module, wherever it is started."""
    return RunnerDeployment.from_flow(
        of,
        name,
        schedule=schedule,
        parameters=parameters,
        work_pool_name=pool,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def _ensure_pool(name: str) -> None:
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        try:
            client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name="underwood-cuda", limit=len(devices("auto")))
            )
        except ObjectAlreadyExists:
            return


@contextmanager
def server(port: int, environment: dict[str, str]) -> Iterator[str]:
    """Run a Prefect server on loopback for the length of the `with`; yield its API address."""
    address = f"http://127.0.0.1:{port}/api"
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--analytics-off"]
    with _running(command, environment) as process:
        _wait_until_healthy(address, process)
        yield address


@contextmanager
def worker(pool: str, environment: dict[str, str], limit: int = 1) -> Iterator[None]:
    """Run a process worker for the length of the `with`."""
    command = ["prefect", "worker", "start", "--pool", pool, "--type", "process", "--limit", str(limit)]
    with _running([*command, "--install-policy", "never"], environment):
        yield


def serve(settings: Settings, config: Path, port: int) -> None:
    """Start server, deployments and worker, and keep them until interrupted or terminated."""
    _stop_on_signals()
    address = f"http://127.0.0.1:{port}/api"
    environment = {**os.environ, "PREFECT_API_URL": address, "PREFECT_LOGGING_LEVEL": "INFO"}
    with server(port, environment):
        _deploy_through(config, environment)
        with worker(settings.schedule.work_pool, environment):
            threading.Event().wait()


def _deploy_through(config: Path, environment: dict[str, str]) -> None:
    """Deploy in a process of its own: a client reads its server's address once, when it is imported."""
    command = [sys.executable, "-m", "flows.cli", "--config", str(config), "deploy"]
    if subprocess.run(command, env=environment, check=False).returncode:
        raise SettingsError("serve: the deployments could not be created; see the lines above")


def _stop_on_signals() -> None:
    """Make an interrupt or termination end this process in order, stopping what it started."""

    def stop(_signal: int, _frame: object) -> None:
        sys.exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    executable = str(Path(sys.executable).with_name(command[0]))
    process = subprocess.Popen([executable, *command[1:]], env=environment)
    try:
        yield process
    finally:
        # SIGINT is ignored by a server or worker in the background; SIGTERM is not.
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SERVER_START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SettingsError(f"server at {address}: ended with status {process.returncode} while starting")
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}/health", timeout=2).status_code == httpx.codes.OK:
                return
        time.sleep(0.3)
    raise SettingsError(f"server at {address}: did not answer within {SERVER_START_S:.0f} s")

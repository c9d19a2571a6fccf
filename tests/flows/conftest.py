"""The simulated archive, a service that works on it, and its command line."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Lets the tests of this folder share one small world of published embeddings.
sys.path.append(str(Path(__file__).parent))

#: Runs `underwood` with arguments in a folder, as its user would.
Underwood = Callable[..., "subprocess.CompletedProcess[str]"]
#: Returns one year of the simulated archive, which nobody may change.
OneYear = Callable[[int], Path]
#: Writes a settings file into a folder and returns its path.
WriteSettings = Callable[..., Path]


@pytest.fixture(scope="session")
def archive() -> Path:
    """The embedded archive, made once per state of the code that makes it."""
    return archive_made_once()


@pytest.fixture(scope="session")
def one_year() -> OneYear:
    """An archive of one year only, made once per state of the code; to be read, or copied and changed."""

    def year_of_archive(year: int) -> Path:
        return archive_made_once(f"-{year}", years=[year], processes=1)

    return year_of_archive


def archive_made_once(suffix: str = "", **how: Any) -> Path:
    """Return an archive of the present code under the checkout's cache, though several processes ask."""
    from flows.archive import make_archive
    from warehouse.lease import lease

    sources = sorted((ROOT / "flows" / "archive").glob("*.py"))
    state = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    directory = ROOT / ".cache" / f"archive-{state}{suffix}"
    directory.parent.mkdir(exist_ok=True)
    with lease(directory.with_suffix(".lease"), wait_s=600):
        return make_archive(directory, **how).directory


@pytest.fixture(scope="session")
def write_settings() -> WriteSettings:
    """Write the settings of a service that works on an archive."""

    def write(folder: Path, archive: Path, **more: object) -> Path:
        chosen = {
            "catalogue": archive / "catalog.json",
            "woodlands": archive / "woodlands.gpkg",
            "samples": archive / "samples.csv",
            "home": "service",
            **more,
        }
        path = folder / "underwood.toml"
        path.write_text("".join(f'{key} = "{value}"\n' for key, value in chosen.items()), "utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def underwood() -> Underwood:
    """Run the command line in a process of its own."""

    def run(
        *arguments: str, cwd: Path, timeout: float = 400, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        settings = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "240", **environment}
        command = [sys.executable, "-m", "flows.cli", *arguments]
        return subprocess.run(
            command, cwd=cwd, env=settings, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    archive: Path,
    underwood: Underwood,
    write_settings: WriteSettings,
) -> Path:
    """Settings of a service with a trained head and nothing else stored."""
    folder = tmp_path_factory.mktemp("trained")
    settings = write_settings(folder, archive)
    done = underwood("--config", str(settings), "train", cwd=folder)
    assert done.returncode == 0, done.stderr
    for kept in ("cube", "staging"):
        shutil.rmtree(folder / "service" / kept)
    return settings


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect server on loopback, for runs that need not start one each."""
    from flows.operating.deploy import server

    home = str(tmp_path_factory.mktemp("prefect"))
    quiet = {
        "PREFECT_HOME": home,
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    }
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    with server(port, {**os.environ, **quiet}) as address:
        yield address

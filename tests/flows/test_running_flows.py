"""What is left of a run that failed."""

from __future__ import annotations

import weakref

import pytest

from flows.commands.session import in_process
from monitoring.errors import WarehouseError


class Connection:
    """Something that should be gone when the run is over."""


def fail(opened: list[weakref.ref[Connection]]) -> None:
    connection = Connection()
    opened.append(weakref.ref(connection))
    try:
        raise OSError("disk")
    except OSError as error:
        raise WarehouseError("warehouse w: disk") from error


def test_an_error_that_is_kept_to_the_end_keeps_no_connection() -> None:
    opened: list[weakref.ref[Connection]] = []
    with pytest.raises(WarehouseError) as kept, in_process():
        fail(opened)
    assert str(kept.value) == "warehouse w: disk"
    assert opened[0]() is None

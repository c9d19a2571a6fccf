"""Telling whoever watches how far the work is, without the work knowing who watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

#: Called with (what is being done, units done since the last call, units in all).
Watcher = Callable[[str, int, int], None]

_watchers: list[Watcher] = []


def advance(label: str, done: int, total: int) -> None:
    """Tell every watcher that `done` more of `total` units of `label` are finished."""
    for watcher in _watchers:
        watcher(label, done, total)


def counting(label: str) -> Callable[[int, int], None]:
    """Return a function of (units done so far, units in all) that tells every watcher the difference."""
    before = 0

    def progress(done: int, total: int) -> None:
        nonlocal before
        advance(label, done - before, total)
        before = done

    return progress


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Call `watcher` on every advance inside the `with`."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Show one bar per label on the terminal's error stream; silent where it is not a terminal."""
    from rich.console import Console

    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        rows: dict[str, TaskID] = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in rows:
                rows[label] = bars.add_task(label, total=total)
            bars.update(rows[label], advance=done, total=total)

        with watching(show):
            yield bars

"""Work shared out to fresh processes that leave when their parent does."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from typing import TypeVar

Order = TypeVar("Order")
Result = TypeVar("Result")


def each_done(work: Callable[[Order], Result], orders: Sequence[Order], processes: int) -> Iterator[Result]:
    """Yield the results as they are finished, in any order; with one process, here and in order.

    What `work` raises is raised here; BrokenProcessPool when a process is killed.
    """
    if processes == 1:
        yield from map(work, orders)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_leave_with_parent)
    try:
        futures: list[Future[Result]] = [pool.submit(work, order) for order in orders]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_with_parent() -> None:
    """A pool's worker whose parent was killed would wait for ever: it holds its own queue open."""
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""Many small fits at the same time, each on one thread, so that the same fit gives the same bits anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Job = TypeVar("Job")
Result = TypeVar("Result")
#: Called with (units done so far, units in all).
Progress = Callable[[int, int], None]


def silent(_label: str) -> Progress:
    """Return a progress that nobody sees."""
    return lambda _done, _total: None


@dataclass(frozen=True)
class Crew:
    """How many processes fit at once, and who is told how far they are."""

    workers: int = 1
    counting: Callable[[str], Progress] = silent
    """Gives the progress of one list of jobs, by its label."""

    def do(self, work: Callable[[Job], Result], jobs: Sequence[Job], label: str) -> list[Result]:
        """Return what `work`, a function of a module, makes of each job, in their order."""
        told, done = self.counting(label), []
        for result in self._results(work, jobs):
            done.append(result)
            told(len(done), len(jobs))
        return done

    def _results(self, work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[Result]:
        if min(self.workers, len(jobs)) <= 1:
            with one_thread():
                yield from map(work, jobs)
            return
        context = get_context("spawn")
        with ProcessPoolExecutor(self.workers, mp_context=context) as pool:
            yield from pool.map(partial(_alone, work), jobs)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: how a product is split over threads may change its last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def _alone(work: Callable[[Job], Result], job: Job) -> Result:
    # Not once per process: the libraries to be limited come with the job.
    with one_thread():
        return work(job)

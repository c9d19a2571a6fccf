"""Batches: the groups of a chunk, computed by threads of one core each or by a GPU, in bounded memory."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import torch
from torch import Tensor

from models.encoders.engine.backbones import Pooling
from models.encoders.engine.packed import Workspace
from models.encoders.inputs.sequences import Frames, Group, gather
from monitoring.errors import ModelError


@dataclass(frozen=True)
class Batch:
    """Pixels of one fill, and what pools one sensor's observations of them."""

    frames: Frames
    group: Group
    pooling: Pooling
    least_pixels: int
    """Fewer are filled up with repeats, so that no result depends on their number."""
    out: Tensor
    """(N, d) the chunk's vectors of this sensor; the batch's rows are written."""

    @property
    def tokens(self) -> int:
        """Tokens of all its pixels."""
        return len(self.group.rows) * self.group.length

    def compute(self, work: Workspace) -> int:
        """Write the batch's vectors and return its tokens; in halves where memory is short."""
        for group in halved_when_short(self.group, lambda part: self._write(part, work)):
            work.clear()
            Batch(self.frames, group, self.pooling, self.least_pixels, self.out).compute(work)
        return self.tokens

    @torch.inference_mode()
    def _write(self, group: Group, work: Workspace) -> None:
        values, days = gather(self.frames, group.at_least(self.least_pixels))
        pooled = self.pooling(values, days, group.fill, work)[: len(group.rows)]
        self.out[torch.from_numpy(group.rows).to(self.out.device)] = pooled


def halved_when_short(group: Group, write: Callable[[Group], None]) -> tuple[Group, ...]:
    """Return nothing once a group is written, or its halves where it did not fit in memory.

    ModelError when a single pixel does not fit.
    """
    try:
        write(group)
    except (MemoryError, RuntimeError) as error:
        if not _is_shortage(error):
            raise
        if len(group.rows) == 1:
            raise ModelError(f"one pixel of {group.length} observations does not fit in memory") from error
        return tuple(group.split(-(-len(group.rows) // 2)))
    return ()


def _is_shortage(error: Exception) -> bool:
    """Whether an error is about memory; torch's allocator on a CPU says so in its text alone."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class Crew:
    """Threads that compute batches, each with a workspace of its own and `cores` to compute on."""

    def __init__(self, size: int, cores: int, dtype: torch.dtype) -> None:
        self.size = size
        # said in each thread: the matrix library's number of threads is a thread's own
        self._threads = ThreadPoolExecutor(size, initializer=torch.set_num_threads, initargs=(cores,))
        self._local, self._dtype = threading.local(), dtype

    def compute(self, batches: list[Batch]) -> Iterator[int]:
        """Compute batches and yield the tokens of each as it is done; the longest start first."""
        order = sorted(batches, key=lambda batch: batch.tokens * batch.group.length, reverse=True)
        waiting = [self._threads.submit(self._one, batch) for batch in order]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            for future in waiting:
                future.cancel()

    def _one(self, batch: Batch) -> int:
        if not hasattr(self._local, "work"):
            self._local.work = Workspace(self._dtype)
        work: Workspace = self._local.work
        return batch.compute(work)

    def close(self) -> None:
        """Wait for the threads to end."""
        self._threads.shutdown(cancel_futures=True)


def give_back_memory() -> None:
    """Let the C library return what was freed to the system; it keeps heaps for each thread."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


@contextlib.contextmanager
def crew_for(device: str, dtype: torch.dtype) -> Iterator[Crew]:
    """Yield as many threads as torch may use on a CPU, each computing alone, or one that feeds a GPU."""
    threads = torch.get_num_threads()
    crew = Crew(threads, 1, dtype) if device == "cpu" else Crew(1, threads, dtype)
    torch.set_num_threads(1 if device == "cpu" else threads)
    try:
        yield crew
    finally:
        crew.close()
        torch.set_num_threads(threads)

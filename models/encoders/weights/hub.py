"""The hub: a card's published weights, downloaded at the pinned revision, continued where they stopped."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from models.encoders.card import EncoderCard
from models.encoders.weights.pins import Progress, file_name, ignore_progress, most_bytes, refuse_unpinned
from models.encoders.weights.shelf import Draft, drafting, settle
from monitoring.errors import UnreachableError, WeightsError

#: What names a repository on Hugging Face; anything with more slashes is somewhere else.
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Answers that say "not now" rather than "no".
_BUSY = (408, 425, 429)
#: Who asks, for the hub's operators; with the client's telemetry off nothing else is told.
_CLIENT = "underwood"


def pull(
    card: EncoderCard, shelf: Path, *, endpoint: str | None = None, progress: Progress = ignore_progress
) -> Path:
    """Return the shelved weights of a card, downloaded from its repository on Hugging Face.

    Whatever is on the shelf is replaced, once what came has the card's sha256. A call that was cut off, even
    by kill -9, is continued by the next. WeightsError for a card that pins too little, for a repository that
    has no such file or another one; UnreachableError where asking again may help. No error repeats what the
    server said, as that might hold the token it was sent.
    """
    refuse_unpullable(card)
    _keep_out_of_logs()
    origin = f"{card.repository}@{card.revision[:12]}:{card.file}"
    with _asking(origin):
        url, size = _published(card, origin, endpoint)
    with drafting(card, shelf, "part") as draft:
        _download(draft, url, size, origin, progress)
        return settle(draft, origin)


def _keep_out_of_logs() -> None:
    """Silence the loggers that would write headers and signed addresses, whatever level ours has."""
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)


def refuse_unpullable(card: EncoderCard) -> None:
    """Raise WeightsError for a card that does not say which file of Hugging Face is its own."""
    file_name(card)
    if not card.repository:
        raise WeightsError(
            f"encoder {card.id}: its weights are in no repository, but packaged with this version"
        )
    refuse_unpinned(f"of {card.repository}", card)
    if not _REPOSITORY.fullmatch(card.repository):
        raise WeightsError(
            f"encoder {card.id}: its weights are not on Hugging Face but in {card.repository}: fetch "
            f"{card.file} of revision {card.revision or 'unknown'} there, and bring it with --from"
        )
    if not _COMMIT.fullmatch(card.revision):
        raise WeightsError(
            f"encoder {card.id}: its card pins no commit of {card.repository} but revision {card.revision!r} "
            f"(pinned by {card.pinned_by}), so nothing is downloaded; bring {card.file} with --from"
        )


def _published(card: EncoderCard, origin: str, endpoint: str | None) -> tuple[str, int]:
    """Return address and size of the published file; WeightsError when it already shows to be another."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(card.repository, card.file, revision=card.revision, endpoint=endpoint)
    there = get_hf_file_metadata(
        url, endpoint=endpoint, library_name=_CLIENT, library_version=version(_CLIENT)
    )
    found = f"sha256 {there.etag}" if _SHA256.fullmatch(there.etag or "") else ""
    if found and there.etag != card.weights_sha256:
        raise _other_than_pinned(card, origin, found, f"sha256 {card.weights_sha256}")
    if there.size is None or not 0 < there.size <= most_bytes(card) or card.bytes not in (0, there.size):
        raise _other_than_pinned(
            card, origin, f"{there.size} bytes", f"{card.bytes or most_bytes(card)} bytes"
        )
    return url, there.size


def _other_than_pinned(card: EncoderCard, origin: str, found: str, expected: str) -> WeightsError:
    return WeightsError(
        f"weights {origin}: published with {found}, but card {card.id} expects {expected} (pinned by "
        f"{card.pinned_by}): the pin is wrong or the file was changed; nothing was downloaded"
    )


def _download(draft: Draft, url: str, size: int, origin: str, progress: Progress) -> None:
    """Bring a draft to its full size by plain HTTP, from wherever an earlier download left it."""
    from huggingface_hub.file_download import http_get

    if draft.file.tell() > size:
        draft.file.truncate(0)
        draft.file.seek(0)
    bar: Any = partial(_Bar, progress, origin, size)
    try:
        with _asking(origin):
            http_get(
                url,
                draft.file,
                resume_size=draft.file.tell(),
                headers=_headers(),
                expected_size=size,
                tqdm_class=bar,
            )
    except UnreachableError as error:
        here = draft.file.tell()
        raise UnreachableError(f"{error}; {here} of {size} bytes are here, the next pull goes on") from None


def _headers() -> dict[str, str]:
    """Return what goes with a request for a file: the user's token, if there is one, and nothing compressed.

    The client takes the token off when it is sent on to another host.
    """
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    asking: dict[str, str] = build_hf_headers(library_name=_CLIENT, library_version=version(_CLIENT))
    return {**asking, "accept-encoding": "identity"}


class _Bar:
    """What the hub's client takes for its own progress bar, told of each piece before it is written."""

    def __init__(self, progress: Progress, origin: str, size: int, *, initial: int, **_looks: object) -> None:
        self.progress, self.origin, self.size, self.done = progress, origin, size, initial

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        pass

    def update(self, n: int) -> None:
        """Count `n` more bytes; WeightsError for more than were promised, which could fill the disk."""
        self.done += n
        if self.done > self.size:
            raise WeightsError(f"weights {self.origin}: more bytes came than the {self.size} promised")
        self.progress(self.done, self.size)


@contextmanager
def _asking(origin: str) -> Iterator[None]:
    """Turn what the hub's client raises into one line of ours, and nothing of theirs."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled:
        raise UnreachableError(f"weights {origin}: HF_HUB_OFFLINE is set, so nobody was asked") from None
    except errors.HfHubHTTPError as error:
        raise _refusal(origin, error.response.status_code, _REFUSALS.get(type(error).__name__)) from None
    except httpx2.HTTPError as error:
        raise UnreachableError(f"weights {origin}: no answer ({_words(error)})") from None
    except (httpx2.InvalidURL, UnicodeError):
        raise WeightsError(
            f"weights {origin}: $HF_ENDPOINT or $HF_TOKEN has characters not allowed"
        ) from None
    except OSError as error:
        if error.errno is not None:  # of our disk
            raise
        raise UnreachableError(f"weights {origin}: the answer had another length than promised") from None


#: What the hub's client calls its refusals, in words.
_REFUSALS = {
    "RepositoryNotFoundError": "no such repository, or not for you without a token ($HF_TOKEN)",
    "GatedRepoError": "the repository asks you to accept its terms and to send a token ($HF_TOKEN)",
    "RevisionNotFoundError": "the repository has no such revision",
    "RemoteEntryNotFoundError": "the repository has no such file at that revision",
}


def _refusal(origin: str, status: int, words: str | None) -> UnreachableError | WeightsError:
    kind = UnreachableError if status >= 500 or status in _BUSY else WeightsError
    return kind(f"weights {origin}: {words or 'refused'} (HTTP {status})")


def _words(error: Exception) -> str:
    """Return the kind of a failed connection: `ReadTimeout` as "read timeout"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()

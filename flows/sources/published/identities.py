"""Identities: which version and variant of the published embeddings a place holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from flows.sources.addresses import is_web
from models.encoders.card import EncoderCard, encoder_cards
from models.encoders.configs import PublishedConfig
from monitoring.errors import CardMismatchError

#: Root attribute that names the model, `https://geotessera.org/model/<version>`: never the variant.
MODEL = "geoemb:model"
#: Root attribute that names the store another was copied from, such as `s3://.../v1.1/dclimate.icechunk`.
COPIED_FROM = "geotessera:source_store"
BUILD_VERSION = "geoemb:build_version"


@dataclass(frozen=True)
class Publication:
    """Where embeddings were read, and what the place says of itself."""

    address: str
    """Fit to be shown."""
    version: str
    variant: str
    build_version: str
    """Of the software that wrote the store; empty where it does not say."""

    def __str__(self) -> str:
        built = f", build {self.build_version}" if self.build_version else ""
        return f"{self.address} (TESSERA {self.version}, variant {self.variant}{built})"


def published_config(card: EncoderCard) -> PublishedConfig:
    """Return which published set a card stands for; CardMismatchError for the card of a network."""
    if not isinstance(card.config, PublishedConfig):
        published = ", ".join(sorted(card.id for card, _ in _sets()))
        raise CardMismatchError(f"encoder {card.id}: is computed, not published; published are {published}")
    return card.config


def publication(attributes: Mapping[str, Any], address: str, where: str, card: EncoderCard) -> Publication:
    """Return what a Zarr store is, by its root attributes and the folder of its address.

    CardMismatchError, which calls the place `where`, unless it shows the version and the variant of the card.
    The model's attribute tells versions apart; variants only the store it was copied from and the folder do.
    """
    config = published_config(card)
    version = _version(attributes)
    if version != config.version:
        raise _mismatch(where, f"{MODEL} says version {version or 'nothing'}", card, config.version)
    variants = _variant_copied_from(attributes) | _variant_of_folder(address, version) or _only(version)
    if variants != {config.variant}:
        said = (
            " and ".join(sorted(variants))
            or f"no variant (is it a copy? keep its folder's name, {config.store})"
        )
        raise _mismatch(where, f"folder and {COPIED_FROM} say {said}", card, config.variant)
    return Publication(where, version, config.variant, str(attributes.get(BUILD_VERSION, "")))


def _mismatch(where: str, said: str, card: EncoderCard, needed: str) -> CardMismatchError:
    return CardMismatchError(f"published embeddings {where}: {said}; encoder {card.id} needs {needed}")


def _version(attributes: Mapping[str, Any]) -> str:
    name = _last(str(attributes.get(MODEL, ""))).removeprefix("v")
    return f"{name}.0" if name.isdigit() else name


def _variant_copied_from(attributes: Mapping[str, Any]) -> set[str]:
    name = _stem(str(attributes.get(COPIED_FROM, "")))
    return {name} if name else set()


def _variant_of_folder(address: str, version: str) -> set[str]:
    """Return the variant that the publisher's folder name stands for; nothing for a name of one's own."""
    path = unquote(urlsplit(address).path) if is_web(address) else address
    name = _stem(path)
    known = [config for _, config in _sets() if name in (config.store, config.variant)]
    return {config.variant if config.version == version else name for config in known}


def _only(version: str) -> set[str]:
    """Return the variant of a version that has but one."""
    variants = {config.variant for _, config in _sets() if config.version == version}
    return variants if len(variants) == 1 else set()


def _last(path: str) -> str:
    return PurePosixPath(path.rstrip("/")).name


def _stem(path: str) -> str:
    name = _last(path)
    return next((name.removesuffix(end) for end in (".zarr", ".icechunk") if name.endswith(end)), name)


def _sets() -> list[tuple[EncoderCard, PublishedConfig]]:
    cards = encoder_cards()
    return [(card, card.config) for card in cards if isinstance(card.config, PublishedConfig)]

"""Addresses of one installation, read from a TOML file and the environment."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from flows.sources.catalogues.known import by_name
from flows.sources.catalogues.provenance import GEOTESSERA
from flows.sources.catalogues.signing import Secrets
from flows.sources.disturbances.layer import DisturbanceLayer
from flows.sources.scenes.offsets import AS_PUBLISHED, CORRECTED, OffsetRule
from monitoring.errors import SettingsError

#: The settings file looked for where none is named.
DEFAULT_CONFIG = Path("underwood.toml")
#: Names the settings file for every command of a shell.
CONFIG_VARIABLE = "UNDERWOOD_CONFIG"


class Schedule(BaseSettings):
    """When the seasonal deployment runs."""

    model_config = SettingsConfigDict(extra="forbid", env_prefix="UNDERWOOD_SCHEDULE_")

    cron: str = "0 3 15 2,5,8,11 *"
    """Five-field cron; by default 03:00 on 15 February, May, August and November, when the grace for late
    scenes of the season that ended half a quarter before is over."""
    timezone: str = "UTC"
    work_pool: str = "underwood"


class Access(BaseModel):
    """What stores of assets want to see; better given in the environment, as `UNDERWOOD_ACCESS__<KEY>`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    cdse_key: SecretStr | None = None
    """Access key of the Copernicus Data Space object store, where the products of `cdse` lie."""
    cdse_secret: SecretStr | None = None
    """The secret of that key."""
    planetary_computer_key: SecretStr | None = None
    """Subscription key of the Planetary Computer, for more tokens in less time; it works without one."""

    @field_validator("*")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value().strip() if value else ""
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("needs printable ASCII characters without spaces")
        return SecretStr(text) if text else None

    @model_validator(mode="after")
    def _refuse_half_a_key(self) -> Self:
        if (self.cdse_key is None) != (self.cdse_secret is None):
            raise ValueError("cdse_key and cdse_secret are of use only together")
        return self

    @property
    def secrets(self) -> Secrets:
        """The values themselves, for `flows.sources.catalogues.signing.signer`."""
        return Secrets(
            cdse_key=_plain(self.cdse_key),
            cdse_secret=_plain(self.cdse_secret),
            planetary_computer_key=_plain(self.planetary_computer_key),
        )


class Disturbances(BaseModel):
    """A layer of disturbances and how to read it; what is empty is found by its usual name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    """Polygons with dates (GeoPackage, GeoJSON, shapefile), or a raster of dates (GeoTIFF)."""
    kind: str = ""
    """What every event is, such as `felling`; needed of a raster, and where no column says it."""
    date_column: str | None = None
    start_column: str | None = None
    end_column: str | None = None
    kind_column: str | None = None
    layer: str | None = None
    """Of a GeoPackage with several."""
    encoding: str = "year"
    """Of a raster: `year`, `yyyymmdd`, `yydoy`, `radd` or `days since YYYY-MM-DD`."""

    @property
    def as_layer(self) -> DisturbanceLayer:
        """How the file is to be read."""
        return DisturbanceLayer(**self.model_dump(exclude={"path"}))

    def anchored(self, folder: Path) -> Disturbances:
        """Return the same with its path made absolute from a folder."""
        return self.model_copy(update={"path": (folder / self.path).resolve()})


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


class Settings(BaseSettings):
    """Where things are, for one installation. Unknown keys are refused.

    Each key may also be given as `UNDERWOOD_<KEY>` in the environment, which wins over the file.
    Relative paths are relative to the settings file.
    """

    model_config = SettingsConfigDict(
        extra="forbid", env_prefix="UNDERWOOD_", env_nested_delimiter="__", hide_input_in_errors=True
    )

    config_file: Path = Field(default=DEFAULT_CONFIG, exclude=True)
    home: Path = Path(".underwood")
    """Folder of all that is kept: cube, staging, warehouse, published snapshot, heads, flow records."""
    catalogue: str
    """Name of a known catalogue (`planetary-computer`, `earth-search`, `cdse`), address of another STAC API,
    or path of a static catalogue or of a folder of SAFE products; of a store, where the source is
    `geotessera`. Once read it is the address or an absolute path."""
    source: str | None = None
    """Where the pixels come from (`planetary-computer`, ...), if the catalogue does not show it.

    `geotessera`: embeddings are read as published instead of computed from scenes."""
    second_catalogue: str | None = None
    """Another catalogue, named like the first, that is asked only which passes there should be."""
    requests_per_host: int = Field(default=24, ge=1, le=256)
    """Requests for assets that one host gets at once."""
    verify_files: bool = False
    """Hold files on disk against the checksums that the catalogue states, which reads all of each file."""
    access: Access = Access()
    """Keys of the stores that assets lie in."""
    offset_rule: OffsetRule = CORRECTED
    """What is subtracted from Sentinel-2 digital numbers (DN).

    `corrected`: by processing baseline and where the files lie; DN >= 1 becomes max(DN - offset, 1).
    `as-published`: as the TESSERA v1.1 pipeline did. Planetary Computer: 1000 from scenes of days after
    2022-01-25, where DN >= 1000, smaller DN left as they are; Earth Search: nothing. What is made with it is
    kept apart, in a folder of that name under `home`."""
    woodlands: Path
    """Boundary file: GeoPackage, GeoJSON, shapefile or GeoParquet."""
    reference_sites: Path | None = None
    """Boundary file, of the same formats, of ground that should not change (attribute `kind`, such as heath,
    urban, quarry); what is predicted there each year shows whether the instruments changed."""
    site_attributes: Path | None = None
    """Table (CSV: woodland, leaf_type, elevation_m) of what the boundary file does not say: ancient woodland
    is held against other woodland like it."""
    weather: Path | None = None
    """Daily weather (CSV, NetCDF or Zarr), from which years of heat and drought are told."""
    disturbances: tuple[Disturbances, ...] = ()
    """Layers of felling, fire and the like, each a table with a `path`."""
    samples: Path | None = None
    """Table of field samples that `underwood train` learns from."""
    target: Path | None = None
    """A target of your own (.toml), by the name that the science gives; the built-in one where absent."""
    science: Path | None = None
    """Scientific choices; the built-in ones where absent."""
    encoder: str = "underwood-student-1"
    """Id of the encoder's card, or the path of a card of your own (.json)."""
    encoder_weights: Path | None = None
    """Weights for that card; where absent the ones pulled into `home`, else those that ship with the card."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where embeddings are computed; `auto` and `cuda` use every GPU there is."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Number format of the encoder; `bf16` where the machine computes in it, held to bounds against fp32."""
    workers: int = Field(default=2, ge=1, le=64)
    """Block-seasons worked on at once."""
    notable_years: dict[int, str] = Field(default_factory=dict)
    """Years the reports' charts mark, with a word each, such as `2018 = "drought"`."""
    schedule: Schedule = Schedule()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose content arrives as arguments."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _refuse_idle_rule(self) -> Self:
        if self.source == GEOTESSERA and self.offset_rule != CORRECTED:
            raise ValueError(f"offset_rule {self.offset_rule!r} has no meaning where no scene is read")
        return self

    @model_validator(mode="after")
    def _resolve_known_names(self) -> Self:
        """Put the address in place of a catalogue's name, and its source beside it."""
        address, source = by_name(self.catalogue, self.source)
        object.__setattr__(self, "catalogue", address)
        object.__setattr__(self, "source", source)
        if self.second_catalogue is not None:
            object.__setattr__(self, "second_catalogue", by_name(self.second_catalogue)[0])
        return self

    @property
    def kept_in(self) -> Path:
        """Folder of what is made from pixels: `home`, or a folder of its own there for the published rule."""
        return self.home / AS_PUBLISHED if self.offset_rule == AS_PUBLISHED else self.home

    @model_validator(mode="after")
    def _anchor_paths(self) -> Self:
        """Make every path absolute, so that a worker started elsewhere finds the same files."""
        anchor = self.config_file.resolve().parent
        for name in (
            "home",
            "woodlands",
            "reference_sites",
            "site_attributes",
            "weather",
            "samples",
            "target",
            "science",
            "encoder_weights",
        ):
            path = getattr(self, name)
            if path is not None:
                object.__setattr__(self, name, (anchor / path).resolve())
        layers = (layer.anchored(anchor) for layer in self.disturbances)
        object.__setattr__(self, "disturbances", tuple(layers))
        if self.encoder.endswith(".json"):
            object.__setattr__(self, "encoder", str((anchor / self.encoder).resolve()))
        for name in ("catalogue", "second_catalogue"):
            address = getattr(self, name)
            if address is not None and "://" not in address:
                object.__setattr__(self, name, str((anchor / address).resolve()))
        return self


def read_settings(path: Path | str | None = None) -> Settings:
    """Return the settings of `path`, `$UNDERWOOD_CONFIG` or `./underwood.toml`, in that order."""
    chosen = Path(path or os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)
    if not chosen.is_file():
        raise SettingsError(
            f"settings file {chosen}: not found (name one with --config or ${CONFIG_VARIABLE})"
        )

    try:
        content = tomllib.loads(chosen.read_text("utf-8"))
        return Settings(**{**content, "config_file": chosen})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "file"
        raise SettingsError(f"settings file {chosen}: {key}: {first['msg'].lower()}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"settings file {chosen}: {error}") from error


def service_home(path: Path | str | None = None) -> Path:
    """Return the home that the settings name; a folder in the user's cache where there is no settings file.

    A file that was named, by `path` or $UNDERWOOD_CONFIG, must be there.
    """
    if path or os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG.is_file():
        return read_settings(path).home
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "underwood"

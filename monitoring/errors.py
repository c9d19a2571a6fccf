"""Every error a caller can act on, as one tree.

    UnderwoodError
      SettingsError            a setting or science choice is missing, unknown or out of range
      SeasonError              not a season, or seasons that must not meet
      SourceError              the world outside gave something unusable
        CatalogueError         catalogue unreachable, empty or malformed
        PixelReadError         an asset is truncated, in the wrong grid, of the wrong kind
        BoundaryError          a boundary file or feature cannot be used
        SampleError            a field-sample table cannot be used
        WeatherError           a weather table cannot be used
        UnreachableError       a remote source did not answer; asking again may help
      ModelError
        WeightsError           weights missing, of another hash, or not matching the architecture
        CardMismatchError      two models, or a model and its input, that do not belong together
        DriftError             a frozen encoder no longer says what it said of the same inputs
        PanelError             the record of what an encoder said is damaged or unreadable
      WarehouseError
        LeaseHeldError         somebody else is writing
        LeaseLostError         the lease ran out or was taken over while something was being written
        MigrationError         the schema on disk is not one we know
      QualityError             a quality gate refused what was about to be stored
      TrendError               a series no trend test may be applied to
      AlertError               what cannot happen to an alert in the state it is in
      ContactError             a person is not known, or a text would say how one is reached
      ReportError              the report could not be composed

Messages are one line and name the thing, the value and the bound.
"""


class UnderwoodError(Exception):
    """Root of every error that is the caller's to handle; its text is one line for a person."""


class SettingsError(UnderwoodError):
    """A setting or a science choice is missing, unknown or out of range."""


class SeasonError(UnderwoodError):
    """Not a season, or seasons that must not meet in one series."""


class SourceError(UnderwoodError):
    """The world outside gave something unusable."""


class CatalogueError(SourceError):
    """A catalogue is unreachable, empty or malformed."""


class PixelReadError(SourceError):
    """An asset is truncated, in the wrong grid or of the wrong kind."""


class BoundaryError(SourceError):
    """A boundary file or one of its features cannot be used."""


class SampleError(SourceError):
    """A table of field samples cannot be used."""


class WeatherError(SourceError):
    """A table of daily weather cannot be used."""


class UnreachableError(SourceError):
    """A remote source did not answer; asking again may help."""


class ModelError(UnderwoodError):
    """An encoder or head cannot be used as asked."""


class WeightsError(ModelError):
    """Weights are missing, have another hash, or do not match the architecture."""


class CardMismatchError(ModelError):
    """Two models, or a model and its input, do not belong together."""


class DriftError(ModelError):
    """A frozen encoder no longer says what it said of the same inputs."""


class PanelError(ModelError):
    """The record of what an encoder said is damaged or unreadable."""


class WarehouseError(UnderwoodError):
    """The cube or the warehouse refused an operation; nothing was changed."""


class LeaseHeldError(WarehouseError):
    """Another process holds the write lease."""


class LeaseLostError(WarehouseError):
    """The write lease ran out, or somebody else has taken it over; what was being written is not recorded."""


class MigrationError(WarehouseError):
    """The schema on disk is not one this version knows."""


class QualityError(UnderwoodError):
    """A quality gate refused what was about to be stored."""


class TrendError(UnderwoodError):
    """A series that no trend test may be applied to."""


class AlertError(UnderwoodError):
    """What cannot happen to an alert in the state it is in."""


class ContactError(UnderwoodError):
    """A person is not among the contacts, or a text would say how one is reached."""


class ReportError(UnderwoodError):
    """The report could not be composed or compiled."""

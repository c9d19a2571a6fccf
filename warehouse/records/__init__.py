"""The rows the warehouse records: frozen, with the column names of its tables."""

from warehouse.records.assessments import (
    AlertEventRow,
    AlertRow,
    Assessment,
    BalanceRow,
    CalibrationRow,
    ContrastRow,
    CorroborationRow,
    GateFindingRow,
    ParkTrendRow,
    TrendRow,
    WeatherYearRow,
    figures_json,
)
from warehouse.records.runs import ModelRow, QualityRow, QuarantineRow, ReportRow, RunRow, WoodlandRow
from warehouse.records.seasons import (
    AssetFailureRow,
    BlockSeasonRow,
    CompletenessRow,
    EstimateKey,
    EstimateRow,
    IndexRow,
    ObservationRow,
    SceneRow,
    SeasonSceneRow,
)

__all__ = [
    "AlertEventRow",
    "AlertRow",
    "Assessment",
    "AssetFailureRow",
    "BalanceRow",
    "BlockSeasonRow",
    "CalibrationRow",
    "CompletenessRow",
    "ContrastRow",
    "CorroborationRow",
    "EstimateKey",
    "EstimateRow",
    "GateFindingRow",
    "IndexRow",
    "ModelRow",
    "ObservationRow",
    "ParkTrendRow",
    "QualityRow",
    "QuarantineRow",
    "ReportRow",
    "Row",
    "RunRow",
    "SceneRow",
    "SeasonSceneRow",
    "StagedRow",
    "TrendRow",
    "WeatherYearRow",
    "WoodlandRow",
    "figures_json",
]

StagedRow = EstimateRow | ObservationRow | IndexRow
"""Rows that wait in a Parquet file for the one writer."""

Row = (
    EstimateRow | RunRow | ModelRow | WoodlandRow | SceneRow | SeasonSceneRow | TrendRow | ContrastRow
    | AlertRow | AlertEventRow | ParkTrendRow | BalanceRow | GateFindingRow | CorroborationRow
    | WeatherYearRow | CalibrationRow | QualityRow | QuarantineRow | ReportRow | CompletenessRow
    | BlockSeasonRow | ObservationRow | IndexRow | AssetFailureRow
)  # fmt: skip

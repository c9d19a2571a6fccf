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
from warehouse.records.boundaries import LineageRow, ReleaseRow, WoodlandRow, WoodlandVersionRow
from warehouse.records.runs import (
    ModelRow,
    PromotionRow,
    QualityRow,
    QuarantineRow,
    ReportAlertRow,
    ReportRow,
    RunRow,
)
from warehouse.records.seasons import (
    AssetFailureRow,
    BlockSeasonRow,
    CompletenessRow,
    SceneRow,
    SeasonSceneRow,
)
from warehouse.records.staged import EstimateKey, EstimateRow, IndexRow, ObservationRow, StagedRow

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
    "LineageRow",
    "ModelRow",
    "ObservationRow",
    "ParkTrendRow",
    "PromotionRow",
    "QualityRow",
    "QuarantineRow",
    "ReleaseRow",
    "ReportAlertRow",
    "ReportRow",
    "Row",
    "RunRow",
    "SceneRow",
    "SeasonSceneRow",
    "StagedRow",
    "TrendRow",
    "WeatherYearRow",
    "WoodlandRow",
    "WoodlandVersionRow",
    "figures_json",
]

Row = (
    EstimateRow | RunRow | ModelRow | WoodlandRow | SceneRow | SeasonSceneRow | TrendRow | ContrastRow
    | AlertRow | AlertEventRow | ParkTrendRow | BalanceRow | GateFindingRow | CorroborationRow
    | WeatherYearRow | CalibrationRow | QualityRow | QuarantineRow | ReportRow | CompletenessRow
    | BlockSeasonRow | ObservationRow | IndexRow | AssetFailureRow | ReleaseRow | WoodlandVersionRow
    | LineageRow | PromotionRow | ReportAlertRow
)  # fmt: skip

"""Reporting: from the published snapshot to the content of a PDF."""

from flows.reporting.season import write_season_report
from flows.reporting.woodlands import woodland_lines
from flows.reporting.words import target_words

__all__ = ["target_words", "woodland_lines", "write_season_report"]

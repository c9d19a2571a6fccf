"""Reporting: from the published snapshot to the content of a PDF."""

from flows.reporting.recording import record_report
from flows.reporting.season import write_season_report
from flows.reporting.woodlands import woodland_lines
from flows.reporting.words import target_words

__all__ = ["record_report", "target_words", "woodland_lines", "write_season_report"]

"""Quality gates: what is checked before scenes are used, estimates loaded and trends alerted on."""

from flows.quality.gate import ExpectationResult, Verdict, check_estimates, check_scenes, check_trends

__all__ = ["ExpectationResult", "Verdict", "check_estimates", "check_scenes", "check_trends"]

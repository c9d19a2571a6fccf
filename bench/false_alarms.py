"""False alarms and power of the whole alert rule, from series to alerts, in simulated families.

    .venv/bin/python bench/false_alarms.py [--families 50] [--seed 1]

66 woodlands in two parks, nine years, noise shared by park and year, woodlands of unequal noise. The first
worlds have no decline at all: `any CONFIRMED` is the chance that a stable woodland is called to attention.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from monitoring.calibration.rates import World, realised_rates
from monitoring.science import AlertRule, TrendTest

NULL = {
    "no decline": World(),
    "no decline, autocorrelation 0.3": World(autocorrelation=0.3),
    "no decline, autocorrelation 0.5": World(autocorrelation=0.5),
    "no decline, noise 8 % of the level": World(noise_fraction=0.08),
    "same, autocorrelation 0.3": World(noise_fraction=0.08, autocorrelation=0.3),
    "droughts of 20 % in two years": World(drought_fraction=0.2),
}
DECLINE = {
    f"6 decline by {slope} sd a year{text}": replace(world, n_declining=6, slope=slope)
    for slope in (0.6, 1.0)
    for text, world in {"": World(), ", with droughts": World(drought_fraction=0.2)}.items()
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--families", type=int, default=50)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    began = time.perf_counter()
    for title, rule in {"as shipped": AlertRule(), "test alone": AlertRule(min_decline_fraction=0.0)}.items():
        print(f"\nrule {title}: {rule}")
        print(f"{'world':44}{'any CONFIRMED':>15}{'WATCH/family':>14}{'found CONF.':>13}{'found':>8}")
        for name, world in (NULL | DECLINE).items():
            rates = realised_rates(world, TrendTest(), rule, asked.families, asked.seed)
            print(
                f"{name:44}{rates.any_confirmed:15.3f}{rates.watch_per_family:14.2f}"
                f"{rates.found_confirmed:13.2f}{rates.found:8.2f}"
            )
    print(f"\n{asked.families} families a row, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

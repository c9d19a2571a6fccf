"""Clear or not: which optical observations count, by the rule of whoever uses them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import ModelError
from monitoring.series import SensorSeries

#: Scene class of snow or ice.
SNOW = 11
#: Largest code of a scene class.
LAST_CLASS = 11
#: Cloud probability of a pixel that has none.
NO_PROBABILITY = 255
_STATED = re.compile(r"SCL not in \{\s*(\d{1,2}(?:\s*,\s*\d{1,2})*)\s*\}", re.ASCII)


@dataclass(frozen=True)
class ClearRule:
    """Which scene classes are not clear, and the cloud probability above which nothing is."""

    unclear_classes: tuple[int, ...] = (0, 1, 2, 3, 8, 9)
    """No data, defective, dark, shadow, cloud medium and high: TESSERA's rule; cirrus and snow are clear."""
    max_cloud_probability: int = 100
    """Per cent; 100 asks for no probability."""

    @classmethod
    def stated(cls, text: str, max_cloud_probability: int = 100) -> ClearRule:
        """Return the rule a card words as `SCL not in {0,1,2,3,8,9}`; ModelError where it words none."""
        found = _STATED.search(text)
        classes = tuple(int(code) for code in found[1].split(",")) if found else ()
        if not classes or max(classes) > LAST_CLASS:
            raise ModelError(
                f"clear rule {text!r}: expected 'SCL not in {{...}}' with classes from 0 to {LAST_CLASS}"
            )
        return cls(tuple(sorted(set(classes))), max_cloud_probability)


def clear_observations(optical: SensorSeries, rule: ClearRule) -> NDArray[np.bool_]:
    """Return (T, N): True where the scene class is clear and all ten bands are present (above 0).

    A pixel without a cloud probability is judged by its class alone. ModelError for a series without classes.
    """
    if optical.scl is None:
        raise ModelError("Sentinel-2 series has no scene classification: clear cannot be told from cloud")
    clear = ~np.isin(optical.scl, rule.unclear_classes) & (optical.values > 0).all(axis=-1)
    if optical.cloud is None:
        return clear
    clear &= (optical.cloud <= rule.max_cloud_probability) | (optical.cloud == NO_PROBABILITY)
    return clear

"""The moments of what comes back from a scale, against numerical integration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from models.heads.transforms import backward, forward, moments

BACK: dict[str, Callable[[float], float]] = {
    "sqrt": lambda z: max(z, 0.0) ** 2,
    "log1p": lambda z: float(np.expm1(max(z, 0.0))),
}


def told(transform: str, mean: list[float], variance: list[float]) -> tuple[np.ndarray, np.ndarray]:
    first, sd = moments(transform, torch.tensor(mean).double(), torch.tensor(variance).double())
    return first.numpy(), sd.numpy()


@given(st.sampled_from(["sqrt", "log1p"]), st.floats(-2, 6), st.floats(0.05, 1.5))
@settings(max_examples=40, deadline=None)
def test_moments_equal_numerical_integration(transform: str, mean: float, sd: float) -> None:
    density = stats.norm(mean, sd).pdf
    lowest, highest = max(mean - 12 * sd, 0.0), max(mean + 14 * sd, 1.0)

    def moment(order: int) -> float:
        def weighted(z: float) -> float:
            return float(BACK[transform](z) ** order * density(z))

        return float(integrate.quad(weighted, lowest, highest, limit=200, points=[max(mean, 0)])[0])

    first, second = moment(1), moment(2)
    got_mean, got_sd = told(transform, [mean], [sd**2])
    assert got_mean[0] == pytest.approx(first, rel=1e-5, abs=1e-7)
    assert got_sd[0] ** 2 == pytest.approx(second - first**2, rel=1e-4, abs=1e-7)


def test_a_result_too_large_to_represent_is_no_estimate() -> None:
    mean, sd = told("log1p", [2000.0, 1.0], [1.0, 0.1])
    assert np.isnan(mean).tolist() == np.isnan(sd).tolist() == [True, False]


@pytest.mark.parametrize("transform", ["none", "sqrt", "log1p"])
def test_a_point_comes_back_from_every_scale(transform: str) -> None:
    values = np.array([0.0, 0.5, 40.0, 600.0])
    back = backward(transform, torch.from_numpy(forward(transform, values)))
    np.testing.assert_allclose(back.numpy(), values, rtol=1e-12)

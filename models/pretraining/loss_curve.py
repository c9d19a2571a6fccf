"""The loss curve of a pretraining as a small SVG picture."""

from __future__ import annotations

import math

from models.encoders.card import TrainingRecord

WIDTH, HEIGHT, MARGIN = 480, 240, 44


def loss_curve_svg(record: TrainingRecord) -> str:
    """Return an SVG of the loss over training steps, logarithmic from its least to its greatest value."""
    logs = [math.log10(max(loss, 1e-9)) for loss in record.loss]
    low, span = min(logs), max(max(logs) - min(logs), 1e-9)
    x = [MARGIN + (WIDTH - 2 * MARGIN) * step / record.steps[-1] for step in record.steps]
    y = [HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / span for value in logs]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    bottom, right = HEIGHT - MARGIN, WIDTH - MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="11" role="img"><title>Barlow Twins loss over {record.steps[-1]} steps</title>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n'
        f'<path d="M{MARGIN},{MARGIN}V{bottom}H{right}" fill="none" stroke="#555"/>\n'
        f'<polyline points="{points}" fill="none" stroke="#1b5e3b" stroke-width="1.6"/>\n'
        f'<text x="{MARGIN}" y="{MARGIN - 8}">loss {max(record.loss):.3g} at the top, '
        f"{min(record.loss):.3g} at the bottom (log scale)</text>\n"
        f'<text x="{right}" y="{bottom + 16}" text-anchor="end">step {record.steps[-1]}</text>\n</svg>\n'
    )

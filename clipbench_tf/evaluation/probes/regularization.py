"""Chooses the strength of a penalty, as CLIP's linear probes do.

Radford et al. 2021, appendix A.3: 96 steps from 1e-6 to 1e6 on a logarithmic scale, by a binary
search: every second decade first, then the distance around the best one is halved.
"""

from collections.abc import Callable

import numpy as np

STEPS_PER_DECADE = 8
STRENGTHS = 10.0 ** (np.arange(12 * STEPS_PER_DECADE + 1) / STEPS_PER_DECADE - 6)
_FIRST_STEP = 2 * STEPS_PER_DECADE
TRIES = 7 + 2 * 4  # at most: every second decade, and two at each halving of the distance

Quality = tuple[float, ...]  # compared as tuples are, the higher the better


def search(quality: Callable[[float], Quality]) -> float:
    """The best of `STRENGTHS`, of those that are tried: 15 at most; the lowest of equal ones.

    If the quality has one peak on them, it is found.

    Args:
        quality: of the fit at a strength C.
    """
    tried = {i: quality(STRENGTHS[i]) for i in range(0, len(STRENGTHS), _FIRST_STEP)}
    step = _FIRST_STEP // 2
    while step:
        best = _best(tried)
        for i in (best - step, best + step):
            if 0 <= i < len(STRENGTHS):
                tried[i] = quality(STRENGTHS[i])
        step //= 2
    return float(STRENGTHS[_best(tried)])


def _best(tried: dict[int, Quality]) -> int:
    """The number of the best strength."""
    return min(tried, key=lambda i: (tuple(-value for value in tried[i]), i))

"""Waiting before another try, so that a thousand cameras coming back together are spread out."""

import random


class Backoff:
    """Full-jitter exponential back-off: uniform between 0 and min(cap, base * 2**tries).

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter"). Not thread-safe.
    """

    def __init__(self, *, base: float = 0.5, cap: float = 60.0, healthy_after: float = 60.0, seed: int | None = None):
        self._base = base
        self._cap = cap
        self._healthy_after = healthy_after
        self._random = random.Random(seed)  # noqa: S311 - spreads load, guards nothing
        self._tries = 0

    def next_delay(self, ran_for: float) -> float:
        """Seconds to wait after a run that lasted `ran_for` seconds; a healthy run starts the count again."""
        if ran_for >= self._healthy_after:
            self._tries = 0
        ceiling = min(self._cap, self._base * 2.0**self._tries)
        self._tries = min(self._tries + 1, 32)
        return self._random.uniform(0.0, ceiling)

"""A constant-velocity Kalman filter of one coordinate, with noise in sizes of the object it follows.

Textbook equations (Bar-Shalom et al. 2001, chapter 6: discrete white-noise acceleration), written out for the two
states position and velocity: a 2x2 filter in plain floats is faster than NumPy and the same on every machine.
"""

import math
from dataclasses import dataclass
from typing import Final

_MEASURED: Final = 0.1
"""Standard deviation of a detected centre, in sizes: boxes of the packaged model tremble by about this."""
_DOUBT: Final = 0.25
"""How much more a detection of score 0 is off than one of score 1, in sizes: weak boxes are parts of what they are on.
Noise that falls with confidence is the idea of NSA Kalman (GIAOTracker, Du et al. 2021)."""
_ACCELERATION: Final = 1.2
"""Standard deviation of acceleration, sizes / s^2: people stop and turn within half a second."""
_FIRST_SPEED: Final = 3.0
"""Standard deviation of an unknown speed, sizes / s: a person's size is about 0.85 m, so a run is inside 2 sigma."""
_FADE_SECONDS: Final = 0.7
"""An unseen object is believed less and less to keep its speed."""
_LONGEST: Final = 1.0
"""Seconds that a prediction reaches; beyond, only doubt grows."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Estimate of one coordinate in fractions of the picture: position, velocity per second and their covariance."""

    position: float
    velocity: float
    var_position: float
    covariance: float
    var_velocity: float

    @classmethod
    def at(cls, position: float, size: float) -> "Axis":
        """Seen once at `position`, speed unknown."""
        return cls(position, 0.0, (_MEASURED * size) ** 2, 0.0, (_FIRST_SPEED * size) ** 2)

    @classmethod
    def between(cls, first: float, last: float, seconds: float, size: float) -> "Axis":
        """Seen at `first` and, `seconds` (> 0) later, at `last`: two-point initialisation (Bar-Shalom, 5.5.3)."""
        variance = (_MEASURED * size) ** 2
        return cls(last, (last - first) / seconds, variance, variance / seconds, 2 * variance / seconds**2)

    def predict(self, seconds: float, size: float, *, coasting: bool) -> "Axis":
        """`seconds` (>= 0) later."""
        moved = min(seconds, _LONGEST)
        fade = math.exp(-moved / _FADE_SECONDS) if coasting else 1.0
        noise = (_ACCELERATION * size) ** 2
        return Axis(
            self.position + self.velocity * moved,
            self.velocity * fade,
            self.var_position + 2 * moved * self.covariance + moved**2 * self.var_velocity + noise * moved**4 / 4,
            self.covariance + moved * self.var_velocity + noise * moved**3 / 2,
            self.var_velocity + noise * moved**2,
        )

    def correct(self, measured: float, size: float, score: float) -> "Axis":
        """Joined with a detection at `measured`, believed by its `score`, 0..1."""
        noise = max(_MEASURED, _MEASURED / 2 + _DOUBT * (1 - score))
        spread = self.var_position + (noise * size) ** 2
        gain, gain_velocity = self.var_position / spread, self.covariance / spread
        off = measured - self.position
        return Axis(
            self.position + gain * off,
            self.velocity + gain_velocity * off,
            (1 - gain) * self.var_position,
            (1 - gain) * self.covariance,
            self.var_velocity - gain_velocity * self.covariance,
        )

    def halt(self) -> "Axis":
        """Known to have stood still: the place is kept, the speed is nothing."""
        return Axis(self.position, 0.0, self.var_position, 0.0, self.var_velocity)

    def distance(self, measured: float, size: float) -> float:
        """Squared Mahalanobis distance of a detection at `measured`."""
        return (measured - self.position) ** 2 / (self.var_position + (_MEASURED * size) ** 2)

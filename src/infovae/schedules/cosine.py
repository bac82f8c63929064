"""A warm-up along half a cosine."""

import math

from infovae.schedules.ramp import Ramp


class Cosine(Ramp):
    """Go from ``start`` to ``end`` along half a period of a cosine, slowly at both ends."""

    def progress(self, step: int) -> float:
        return (1 - math.cos(math.pi * step / self.steps)) / 2

"""The interface of a schedule: a weight that is a pure function of the step."""

from abc import abstractmethod

from infovae.schedules.weight import MovingWeight


class Schedule(MovingWeight):
    """A weight that is a function of the optimiser's step, and stays at its last value afterwards.

    A resumed run needs no more than the number of its step, so checkpoints don't hold the value.
    """

    def __init__(self) -> None:
        super().__init__(self.at(0), self.at(self.length), persistent=False)

    @abstractmethod
    def at(self, step: int) -> float:
        """Return the value of a step, counted from 0."""

    def move(self, step: int) -> None:
        """Put the value of a step into ``value``."""
        self.value.fill_(self.at(step))

    @property
    def turns(self) -> tuple[int, ...]:
        return (0, self.length)

    def range_at(self, step: int) -> tuple[float, ...]:
        return (self.at(step),)

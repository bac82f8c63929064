"""What stored values mean, and how they become the numbers that the model sees."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Float64, Int64, Shaped
from torch import Tensor

from infovae.errors import listed
from infovae.exact import exact, rounded

log = logging.getLogger(__name__)

ROWS_AT_A_TIME = 1000

FAR = 2.0**13
"""A channel whose mean is more standard deviations from 0 needs float64: float32 rounds by 2^-11 of one or more."""

LARGEST_COUNT = 2.0**53
"""Up to here, float64 holds whole numbers, and float32 the densities of a likelihood."""

ROUNDING = 2.0**-44
"""A deviation below this part of the mean is float64's own rounding."""

TOTALS = 10_000
"""Examples of counts whose totals are looked at: the error of their mean log is then a hundredth of its deviation."""


@runtime_checkable
class Indexed(Protocol):
    """Stored examples, (n, c, *s), in memory or in files."""

    def __len__(self) -> int: ...

    def __getitem__(self, positions: Int64[Tensor, " m"]) -> Tensor: ...


class Values:
    """The meaning of the entries of a data set.

    What it learns from the training split is kept in each checkpoint, by :meth:`state`.
    """

    name: ClassVar[str]
    """In words."""

    suits: frozenset[str]
    """What a likelihood of these values can be of: see :class:`infovae.likelihoods.likelihood.Likelihood`."""

    likelihoods: str
    """Options that suit, for an error."""

    range: ClassVar[Literal["unit", "real", "positive", "tokens"]] = "real"
    """Where the model's x lies: in [0, 1], anywhere, from 0, or in a list of tokens."""

    has_missing: bool = False
    """Whether entries may be missing. They are NaN where the model's x has them."""

    def fitted(self, train: Indexed, *others: Indexed) -> "Values":
        """Return the values with what they learn from the training split; entries may be missing in any split."""
        return self

    def to_model(self, stored: Shaped[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
        """Return examples as likelihood and pictures see them."""
        return stored.float()

    def from_model(self, x: Float[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
        """Return examples in the units in which they came."""
        return x

    def held(self, stored: Shaped[Tensor, "n c *s"]) -> Shaped[Tensor, "n c *s"]:
        """Return examples as memory holds them while they are served."""
        return stored

    def encoder_input(self, x: Float[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
        """Return what the encoder sees of x; the same numbers unless said otherwise."""
        return x

    def state(self) -> dict[str, Any]:
        """Return all that :func:`restored` needs, as plain values."""
        return {"kind": type(self).__name__}


class Bytes(Values):
    """Bytes, which become numbers in [0, 1]."""

    range = "unit"
    name = "pixels in [0, 1]"
    suits = frozenset({"pixels", "numbers"})
    likelihoods = "likelihood=bernoulli, gaussian or another of numbers"

    def to_model(self, stored: Shaped[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
        return stored.float().div_(255)


class Standardized(Values):
    """Numbers, which become those with mean 0 and variance 1 in each channel of the training split.

    A column of a table is a channel. NaN marks a missing entry; the encoder sees the mean in its place, and the
    likelihood leaves it out. Numbers that vary little around a mean far from 0, such as times, are subtracted and
    divided in float64; the model sees float32.

    Args:
        mean: of each channel; set by :meth:`fitted`.
        scale: the standard deviation of each channel; 0: it never varies, and neither does what a model makes of it.
        has_missing: whether any entry is missing.
        names: of the channels, where they have some.
    """

    name = "standardised numbers"
    suits = frozenset({"numbers"})
    likelihoods = "likelihood=gaussian, laplace or student_t"

    def __init__(
        self,
        mean: Float[Tensor, " c"] | Sequence[float] | None = None,
        scale: Float[Tensor, " c"] | Sequence[float] | None = None,
        has_missing: bool = False,
        names: Sequence[str] = (),
    ) -> None:
        self.is_fitted = mean is not None
        self.mean = torch.as_tensor([0.0] if mean is None else mean, dtype=torch.float64)
        self.scale = torch.as_tensor([1.0] if scale is None else scale, dtype=torch.float64)
        if not needs_float64(self.mean, self.divisor).any():
            self.mean, self.scale = self.mean.float(), self.scale.float()
        self.has_missing = has_missing
        self.names = [str(name) for name in names]  # not NumPy's, which a checkpoint can't hold

    @property
    def divisor(self) -> Float[Tensor, " c"]:
        """By which numbers are divided: the scale, or 1 where that is 0."""
        return torch.where(self.scale > 0, self.scale, 1.0)

    def fitted(self, train: Indexed, *others: Indexed) -> "Standardized":
        if self.is_fitted:
            return self
        mean, scale, missing = channel_moments(train)
        varies = scale > ROUNDING * mean.abs()
        constant = (~varies).nonzero().flatten().tolist()
        if constant and len(train) > 1:
            names = [str((self.names or range(len(scale)))[channel]) for channel in constant]
            why = "%s that never vary in the training split, or too little beside their mean for float64: %s"
            log.warning(why, "columns" if self.names else "channels", listed(names))
        missing = self.has_missing or missing or any(map(_has_missing, others))
        return Standardized(mean, torch.where(varies, scale, 0.0), missing, self.names)

    def to_model(self, stored: Shaped[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
        x = exact(stored) if self.mean.dtype == torch.float64 else stored.float()
        return ((x - _of_channels(self.mean, x)) / _of_channels(self.divisor, x)).float().to(stored.device)

    def from_model(self, x: Float[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
        numbers = exact(x)  # else numbers of the data come back with other last digits
        numbers = numbers * _of_channels(self.scale, numbers) + _of_channels(self.mean, numbers)
        return numbers if self.mean.dtype == torch.float64 else rounded(numbers, x)

    def encoder_input(self, x: Float[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
        return x.nan_to_num(0.0) if self.has_missing else x

    def state(self) -> dict[str, Any]:
        own = {"mean": self.mean.tolist(), "scale": self.scale.tolist(), "has_missing": self.has_missing}
        return super().state() | own | ({"names": self.names} if self.names else {})


class TableValues(Standardized):
    """Columns of a table: numbers, standardised, and categories, an entry of 0 or 1 for each.

    Args:
        names: of all columns, in order; that of a category is ``COLUMN=CATEGORY``.
        groups: of each column of categories, its first entry and the one after its last.
        mean: of each column; 0 for categories.
        scale: the standard deviation of each column; 1 for categories, and 0 where it never varies.
        has_missing: whether any entry is missing; all of a category's are, or none.
    """

    name = "columns of a table"

    def __init__(
        self,
        names: Sequence[str],
        groups: Sequence[Sequence[int]] = (),
        mean: Float[Tensor, " c"] | Sequence[float] | None = None,
        scale: Float[Tensor, " c"] | Sequence[float] | None = None,
        has_missing: bool = False,
    ) -> None:
        super().__init__(mean, scale, has_missing, names)
        self.groups = [(int(start), int(stop)) for start, stop in groups]
        self.suits = frozenset({"mixed"} if self.groups else {"mixed", "numbers"})
        self.likelihoods = "likelihood=mixed" if self.groups else "likelihood=mixed, gaussian, laplace or student_t"

    def fitted(self, train: Indexed, *others: Indexed) -> "TableValues":
        if self.is_fitted:
            return self
        own = super().fitted(narrowed(train) if isinstance(train, Tensor) else train, *others)
        is_number = ~self.is_category()
        mean, scale = torch.where(is_number, own.mean, 0.0), torch.where(is_number, own.scale, 1.0)
        return TableValues(self.names, self.groups, mean, scale, own.has_missing)

    def held(self, stored: Shaped[Tensor, "n c *s"]) -> Shaped[Tensor, "n c *s"]:
        return stored if self.mean.dtype == torch.float64 else stored.float()

    def is_category(self) -> Bool[Tensor, " c"]:
        """Return for each column whether it belongs to a column of categories."""
        chosen = torch.zeros(len(self.names), dtype=torch.bool)
        for start, stop in self.groups:
            chosen[start:stop] = True
        return chosen

    def state(self) -> dict[str, Any]:
        return super().state() | {"groups": [list(group) for group in self.groups]}


class Counts(Values):
    """Whole numbers from 0, which the likelihood sees as they are, and the encoder as log(1 + x).

    Args:
        log_total_mean: mean log of an example's total, 1 where that is 0; set by :meth:`fitted`, from 10,000 examples.
        log_total_scale: the standard deviation.
    """

    range = "positive"
    name = "counts"
    suits = frozenset({"counts"})
    likelihoods = "likelihood=negative_binomial, poisson or another of counts"

    def __init__(self, log_total_mean: float = 0.0, log_total_scale: float = 0.0) -> None:
        self.log_total_mean = log_total_mean
        self.log_total_scale = log_total_scale

    def fitted(self, train: Indexed, *others: Indexed) -> "Counts":
        chosen = torch.linspace(0, len(train) - 1, min(len(train), TOTALS)).long()
        totals = [train[block].double().flatten(1).sum(dim=1) for block in chosen.split(ROWS_AT_A_TIME)]
        logs = torch.cat(totals).clamp_min(1).log()
        return Counts(logs.mean().item(), logs.std(correction=0).item())

    def encoder_input(self, x: Float[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
        return torch.log1p(x)

    def state(self) -> dict[str, Any]:
        own = {"log_total_mean": self.log_total_mean, "log_total_scale": self.log_total_scale}
        return super().state() | own


class TokenIds(Values):
    """Whole numbers without an order, 0 to vocabulary - 1, as they are.

    Args:
        vocabulary: the number of different tokens.
    """

    range = "tokens"
    name = "tokens"
    suits = frozenset({"tokens"})
    likelihoods = "likelihood=tokens"

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary

    def state(self) -> dict[str, Any]:
        return super().state() | {"vocabulary": self.vocabulary}


KINDS: dict[str, type[Values]] = {kind.__name__: kind for kind in (Bytes, Standardized, TableValues, Counts, TokenIds)}


def restored(state: dict[str, Any]) -> Values:
    """Return the values that gave a state.

    Raises:
        ValueError: there are none of this kind.
    """
    rest = dict(state)
    kind = KINDS.get(rest.pop("kind", "Bytes"))
    if kind is None:
        raise ValueError(f"values of an unknown kind, {state['kind']}")
    return kind(**rest)


def channel_moments(rows: Indexed) -> tuple[Float64[Tensor, " c"], Float64[Tensor, " c"], bool]:
    """Return mean and standard deviation of each channel over all entries that there are, and whether any is missing.

    In two passes, in float64, some examples at a time.
    """
    blocks = torch.arange(len(rows)).split(ROWS_AT_A_TIME)

    def summed(function: Callable[[Tensor], Tensor]) -> Tensor:
        parts = [function(rows[block].double().transpose(0, 1).flatten(1)) for block in blocks]
        return torch.stack(parts).sum(dim=0)

    known, total, missing = summed(lambda x: torch.stack([(~x.isnan()).sum(1), x.nansum(1), x.isnan().sum(1)]))
    count = known.clamp_min(1)
    mean = total / count
    variance = summed(lambda x: (x - mean[:, None]).square().nansum(dim=1)) / count
    return mean, variance.sqrt(), bool(missing.any())


def needs_float64(mean: Float[Tensor, " c"], scale: Float[Tensor, " c"]) -> Bool[Tensor, " c"]:
    """Return for each channel of this mean and standard deviation whether float32 would lose what varies in it."""
    return (mean.abs() > FAR * scale) & (scale > ROUNDING * mean.abs())


def narrowed(numbers: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """Return numbers in float32, or as they are if that would lose what varies in them; NaN is missing."""
    if numbers.dtype == torch.float32:
        return numbers
    mean = numbers.nanmean(dim=0)
    scale = (numbers - mean).square().nanmean(dim=0).sqrt()
    return numbers if needs_float64(mean, scale).any() else numbers.float()


def _has_missing(rows: Indexed) -> bool:
    return any(bool(rows[block].isnan().any()) for block in torch.arange(len(rows)).split(ROWS_AT_A_TIME))


def _of_channels(numbers: Float[Tensor, " c"], x: Tensor) -> Tensor:
    """Return a number for each channel in a shape that goes with (n, c, *s)."""
    return numbers.to(x.device).view(-1, *[1] * (x.ndim - 2))

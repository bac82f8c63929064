"""A scalar whose gradient is computed together with its value, not by autograd afterwards."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

ValueAndGradient = tuple[Float[Tensor, ""], Float[Tensor, "n d"] | None]


def value_with_gradient(
    x: Float[Tensor, "n d"], compute: Callable[[Float[Tensor, "n d"], bool], ValueAndGradient]
) -> Float[Tensor, ""]:
    """Return the value of compute(x, wants_gradient), with the gradient in x that it returns; differentiable once.

    Args:
        x: the variable.
        compute: called once, with autograd off. It may return None for a gradient that isn't wanted.
    """
    return _ValueWithGradient.apply(x, compute)


class _ValueWithGradient(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, compute: Callable[[Tensor, bool], ValueAndGradient]) -> Tensor:
        value, gradient = compute(x, ctx.needs_input_grad[0])
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer_gradient: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return outer_gradient * gradient, None

"""Rows shared out over processes: here as threads with a stand-in for torch.distributed, in test_ddp.py for real."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from infovae import parallel


class Threads:
    """What parallel.py uses of torch.distributed, between threads."""

    def __init__(self, world_size: int) -> None:
        self.world_size = world_size
        self.here = threading.local()
        self.barrier = threading.Barrier(world_size, timeout=10)
        self.sent: dict[int, Tensor] = {}

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def get_rank(self) -> int:
        return int(self.here.rank)

    def get_world_size(self) -> int:
        return self.world_size

    def all_gather(self, received: list[Tensor], sent: Tensor) -> None:
        self.sent[self.here.rank] = sent.clone()
        self.barrier.wait()
        for rank, tensor in enumerate(received):
            tensor.copy_(self.sent[rank])
        self.barrier.wait()

    def run(self, function: Callable[[], Any]) -> list[Any]:
        """What the function gives in each process."""

        def process(rank: int) -> Any:
            self.here.rank = rank
            return function()

        with ThreadPoolExecutor(self.world_size) as pool:
            return list(pool.map(process, range(self.world_size)))


sizes = given(n=st.integers(1, 9), world_size=st.integers(1, 4))
each_on_its_own = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@each_on_its_own
@sizes
def test_gathered_rows_are_the_global_batch_in_its_order(
    n: int, world_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = Threads(world_size)
    monkeypatch.setattr(parallel, "distributed", threads)
    rows = torch.randn(n, 2, 3)
    for gathered in threads.run(lambda: parallel.gather_rows(parallel.own_rows(rows), n)):
        assert torch.equal(gathered, rows)


@each_on_its_own
@sizes
def test_averaged_gradients_are_those_of_one_process(n: int, world_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Threads(world_size)
    monkeypatch.setattr(parallel, "distributed", threads)
    x = torch.randn(n, 4, dtype=torch.float64)
    weight = torch.randn(4, 2, dtype=torch.float64)

    def whole_batch(z: Tensor) -> Tensor:
        """Couples every row with every other, as a divergence does."""
        return torch.cdist(z, z + 1).sin().sum() / n

    def loss_gradient() -> tuple[Tensor, Tensor]:
        parameter = weight.clone().requires_grad_()
        z = parallel.own_rows(x) @ parameter
        loss = parallel.share_of_mean(z.square().sum(dim=1), n) + whole_batch(parallel.gather_rows(z, n))
        (gradient,) = torch.autograd.grad(loss, parameter)
        return loss.detach(), gradient

    results = threads.run(loss_gradient)
    parameter = weight.clone().requires_grad_()
    z = x @ parameter
    expected = z.square().sum(dim=1).mean() + whole_batch(z)
    expected.backward()
    torch.testing.assert_close(torch.stack([loss for loss, _ in results]).mean(), expected.detach())
    torch.testing.assert_close(torch.stack([gradient for _, gradient in results]).mean(dim=0), parameter.grad)


def test_one_process_has_everything() -> None:
    rows = torch.randn(5, 2)
    assert parallel.rank_and_world_size() == (0, 1)
    assert torch.equal(parallel.own_rows(rows), rows)
    torch.testing.assert_close(parallel.share_of_mean(rows[:, 0], 5), rows[:, 0].mean())
    assert parallel.is_first_process()

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infovae.data.augmentation import Augmentation
from infovae.data.examples import Examples
from infovae.data.loader import Batch, EpochOrder, Held, Loader
from infovae.errors import ArgumentError

CPU = torch.device("cpu")


def dataset(n: int) -> Held:
    """Images of grey noise whose label is their position."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 1, 2, 2), dtype=torch.uint8, generator=generator)
    return Held(Examples(images, torch.arange(n)), CPU)


def batches(
    n: int,
    batch_size: int,
    training: bool,
    rank: int = 0,
    world_size: int = 1,
    binarization: str = "none",
    augmentation: Augmentation | None = None,
) -> list[Batch]:
    order = EpochOrder(n, seed=3, shuffle=training)
    order.set_epoch(2)
    return list(Loader(dataset(n), order, batch_size, binarization, training, rank, world_size, augmentation))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    order = EpochOrder(100, seed=3, shuffle=True)
    first = order.positions()
    torch.randn(5)
    assert torch.equal(order.positions(), first)
    order.set_epoch(1)
    assert not torch.equal(order.positions(), first)
    assert sorted(order.positions().tolist()) == list(range(100))
    order.set_epoch(0)
    assert torch.equal(order.positions(), first)
    assert not torch.equal(EpochOrder(100, seed=4, shuffle=True).positions(), first)


def test_without_shuffling_all_epochs_are_alike() -> None:
    order = EpochOrder(100, seed=3, shuffle=False)
    first = order.positions()
    order.set_epoch(1)
    assert torch.equal(order.positions(), first)
    assert not torch.equal(first, torch.arange(100))


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 60),
    batch_size=st.integers(1, 20),
    world_size=st.integers(1, 4),
    training=st.booleans(),
    binarization=st.sampled_from(["none", "threshold", "stochastic"]),
    augmentation=st.sampled_from([None, Augmentation()]),
)
def test_processes_together_have_the_batches_of_one(
    n: int, batch_size: int, world_size: int, training: bool, binarization: str, augmentation: Augmentation | None
) -> None:
    alone = batches(n, batch_size, training, binarization=binarization, augmentation=augmentation)
    shares = [
        batches(n, batch_size, training, rank, world_size, binarization, augmentation) for rank in range(world_size)
    ]
    assert {len(share) for share in shares} == {len(alone)}
    for whole, *parts in zip(alone, *shares, strict=True):
        assert len(whole.x) == whole.global_size
        for rank, part in enumerate(parts):
            assert part.global_size == whole.global_size
            assert torch.equal(part.x, whole.x[rank::world_size])
            assert torch.equal(part.labels, whole.labels[rank::world_size])


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 60), batch_size=st.integers(1, 20), world_size=st.integers(1, 4))
def test_evaluation_sees_every_example_once(n: int, batch_size: int, world_size: int) -> None:
    seen = [
        label
        for rank in range(world_size)
        for batch in batches(n, batch_size, False, rank, world_size)
        for label in batch.labels.tolist()
    ]
    assert sorted(seen) == list(range(n))


def test_training_drops_the_last_batch_unless_there_is_no_other() -> None:
    assert [batch.global_size for batch in batches(10, 4, True)] == [4, 4]
    assert [batch.global_size for batch in batches(3, 4, True)] == [3]
    assert [batch.global_size for batch in batches(10, 4, False)] == [4, 3, 3]


def test_batch_size_is_refused_below_one() -> None:
    with pytest.raises(ArgumentError, match="batch_size=0: invalid; accepted: whole numbers of at least 1"):
        Loader(dataset(3), EpochOrder(3, 1, True), 0, "none", True)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 30), batch_size=st.integers(1, 12), steps=st.integers(1, 15))
def test_batches_are_the_same_wherever_epochs_end(n: int, batch_size: int, steps: int) -> None:
    def first(count: int, steps: int | None) -> list[list[int]]:
        loader = Loader(dataset(n), EpochOrder(n, 3, True), batch_size, "none", drop_last=True, steps=steps)
        found: list[list[int]] = []
        for epoch in range(count):
            loader.sampler.set_epoch(epoch)
            served = [batch.labels.tolist() for batch in loader]
            assert len(served) == len(loader)
            found += served
        return found

    whole = first(steps * 3, None)
    assert first(3, steps) == whole[: 3 * steps]

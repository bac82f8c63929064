"""Class histograms and how far apart they are."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from infovae.metrics.class_mismatch import class_histogram, class_mismatch


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(5, 7))
def test_a_histogram_is_the_share_of_each_class(labels: list[int], classes: int) -> None:
    found = class_histogram(torch.tensor(labels), classes).tolist()
    assert found == pytest.approx([labels.count(label) / len(labels) for label in range(classes)])


def test_no_label_has_no_histogram() -> None:
    assert class_histogram(torch.zeros(0, dtype=torch.int64), 3).isnan().all()


def test_a_model_that_knows_one_class_of_ten() -> None:
    squared, absolute = class_mismatch(class_histogram(torch.full((50,), 3), 10), torch.full((10,), 0.1))
    assert squared.item() == pytest.approx(0.9**2 + 9 * 0.1**2)
    assert absolute.item() == pytest.approx(1.8)


def test_the_documented_bias_is_that_of_a_perfect_model() -> None:
    wanted = torch.tensor([0.5, 0.3, 0.2])
    n, repeats = 40, 2000
    values = torch.stack(
        [
            class_mismatch(class_histogram(torch.multinomial(wanted, n, replacement=True), 3), wanted)[0]
            for _ in range(repeats)
        ]
    )
    expected = (1 - wanted.square().sum().item()) / n
    assert values.mean().item() == pytest.approx(expected, abs=5 * values.std().item() / math.sqrt(repeats))

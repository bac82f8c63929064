"""Optimisers beside torch's, and groups of parameters."""

import sys
from pathlib import Path

import pytest
import torch
from conftest import TINY, Compose
from torch import nn

from infovae.errors import ArgumentError, UserError
from infovae.evaluation.load import load
from infovae.optimizers.groups import parameter_groups_of
from infovae.optimizers.lion import lion
from infovae.optimizers.soap import soap
from infovae.training.run import train

LBFGS = "optimizer._target_=torch.optim.LBFGS ~optimizer.fused ~optimizer.betas ~optimizer.weight_decay"


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        self.decoder = nn.Linear(2, 3)
        self.frozen = nn.Linear(1, 1).requires_grad_(False)


def test_groups_are_named_by_parts_and_the_later_name_wins() -> None:
    model = Model()
    assert parameter_groups_of(model, {}) == [*model.encoder.parameters(), *model.decoder.parameters()]
    groups = parameter_groups_of(model, {"encoder": {"lr": 1.0, "weight_decay": 2.0}, "vectors": {"weight_decay": 0.0}})
    expected = [
        ([model.encoder[0].weight], {"lr": 1.0, "weight_decay": 2.0}),
        ([model.encoder[0].bias, model.encoder[1].weight, model.encoder[1].bias], {"lr": 1.0, "weight_decay": 0.0}),
        ([model.decoder.weight], {}),
        ([model.decoder.bias], {"weight_decay": 0.0}),
    ]
    assert [(group["params"], {k: v for k, v in group.items() if k != "params"}) for group in groups] == expected


@pytest.mark.parametrize("name", ["encodr", "frozen"])
def test_a_name_that_no_parameter_goes_by_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^{name}: no parameter that learns .* encoder, decoder, vectors$"):
        parameter_groups_of(Model(), {name: {"lr": 1.0}})


def test_a_step_of_lion_is_the_sign_of_its_average() -> None:
    """Chen et al., algorithm 2: c = b1 m + (1 - b1) g; w -= lr (sign(c) + decay w); m = b2 m + (1 - b2) g."""
    start, lr, (b1, b2), decay = torch.randn(50, dtype=torch.float64), 0.1, (0.7, 0.9), 0.3
    weight, momentum, expected = start.clone().requires_grad_(), torch.zeros_like(start), start.clone()
    optimizer = lion([weight], lr=lr, betas=(b1, b2), weight_decay=decay)
    for _ in range(5):
        gradient = torch.randn_like(start)
        weight.grad = gradient.clone()
        optimizer.step()
        expected = expected - lr * ((b1 * momentum + (1 - b1) * gradient).sign() + decay * expected)
        momentum = b2 * momentum + (1 - b2) * gradient
    torch.testing.assert_close(weight.detach(), expected)


def test_soap_without_new_axes_is_adam() -> None:
    """But for its first step, which only looks at the gradient. With new axes the steps differ."""
    start, gradients = torch.randn(3, 4), torch.randn(6, 3, 4)
    ended = []
    for make in (
        lambda weight: torch.optim.AdamW(weight, lr=0.1, betas=(0.8, 0.9), weight_decay=0.0, eps=1e-8),
        lambda weight: soap(weight, lr=0.1, betas=(0.8, 0.9), weight_decay=0.0, largest=1),
        lambda weight: soap(weight, lr=0.1, betas=(0.8, 0.9), weight_decay=0.0, largest=4, every=2),
    ):
        weight = start.clone().requires_grad_()
        optimizer = make([weight])
        for gradient in gradients[int(isinstance(optimizer, torch.optim.AdamW)) :]:
            weight.grad = gradient.clone()
            optimizer.step()
        ended.append(weight.detach())
    torch.testing.assert_close(ended[1], ended[0])
    assert (ended[2] - ended[0]).abs().max() > 0.01


def test_a_group_of_soap_has_settings_of_its_own() -> None:
    weights = [nn.Parameter(torch.ones(3, 4)) for _ in range(2)]
    optimizer = soap([{"params": weights[:1], "largest": 2, "every": 1}, {"params": weights[1:]}], largest=4, every=7)
    for weight in weights:
        weight.grad = torch.randn(3, 4)
    optimizer.step()
    assert [[len(side) for side in optimizer.state[weight]["GG"]] for weight in weights] == [[0, 0], [3, 4]]
    assert [group["precondition_frequency"] for group in optimizer.param_groups] == [1, 7]


@pytest.mark.parametrize("name", ["lion", "radam", "soap"])
def test_an_optimiser_trains_goes_on_and_loads(composed: Compose, tmp_path: Path, name: str) -> None:
    settings = [*TINY, f"optimizer={name}", "+parameter_groups.decoder.lr=0.002", "resume=auto"]
    train(composed(*settings, "trainer.max_epochs=3", run_dir=tmp_path / "whole"))
    for epochs in (1, 3):
        train(composed(*settings, f"trainer.max_epochs={epochs}", run_dir=tmp_path / "cut"))
    one, other = (load(tmp_path / run).module.state_dict() for run in ("whole", "cut"))
    assert all(torch.equal(one[key], other[key]) for key in one if isinstance(one[key], torch.Tensor))


@pytest.mark.parametrize("name", ["lion", "soap"])
def test_what_is_missing_is_said(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    missing = rf"^optimizer={name}: pytorch-optimizer is not installed; accepted: pip install 'pytorch-optimizer"
    with pytest.raises(UserError, match=missing):
        train(composed(*TINY, f"optimizer={name}", run_dir=tmp_path))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("encodr.lr=1", "^parameter_groups.encodr: no parameter that learns has this name; accepted: encoder, decoder"),
        ("encoder.lrr=1", "^parameter_groups.encoder.lrr=1: unknown key"),
        ("encoder.lr=-1", "^parameter_groups.encoder.lr=-1: invalid; accepted: greater than or equal to 0"),
        ("encoder._target_=os.system", "^parameter_groups=.* invalid"),
        ("encoder.params=[1]", "^parameter_groups.encoder.params=.*: not supported; accepted: a setting, such as lr"),
        ("encoder.every=0 optimizer=soap", "^parameter_groups.encoder.every=0: invalid; accepted: greater than or"),
        (
            f"encoder.lr=0.1 {LBFGS}",
            "^parameter_groups: LBFGS doesn't support per-parameter options",
        ),
    ],
)
def test_groups_are_checked_before_training(composed: Compose, tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        train(composed(*TINY, *f"+parameter_groups.{override}".split(), run_dir=tmp_path))
    assert "params" not in refusal.value.accepted
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer=soap optimizer.every=0", "^optimizer.every=0: invalid; accepted: greater than or equal to 1"),
        ("optimizer=soap optimizer.largest=0", "^optimizer.largest=0: invalid; accepted: greater than or equal to 1"),
        (
            "optimizer._target_=pytorch_optimizer.ScheduleFreeAdamW ~optimizer.fused",
            "^optimizer=ScheduleFreeAdamW: it would train other weights than those it is measured by; accepted: an",
        ),
    ],
)
def test_an_optimiser_is_checked_before_training(
    composed: Compose, tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        train(composed(*TINY, *override.split(), run_dir=tmp_path))
    assert not any(tmp_path.iterdir())

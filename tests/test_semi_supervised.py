"""M2: its loss against one written out by hand, and a run that learns the classes."""

import math
from pathlib import Path

import pytest
import torch
from conftest import Compose
from torch.nn.functional import cross_entropy

from infovae.data.loader import Batch
from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.modules.semi_supervised import SemiSupervised
from infovae.training.assemble import build_data, build_module
from infovae.training.run import train

SETTINGS = [
    "data=digits", "latent_dim=3", "condition=labels", "module=semi_supervised", "network.encoder.hidden=[32]",
    "network.decoder.hidden=[32]",
]  # fmt: skip


def test_the_loss_written_out(composed: Compose) -> None:
    """With codes that aren't random, of five examples and a labelled batch of two."""
    cfg = composed(*SETTINGS, "model=beta_vae", "model.beta=3", "module.classification=7")
    module = build_module(cfg, build_data(cfg))
    assert isinstance(module, SemiSupervised)
    module.draw = lambda posterior, global_size: posterior.mean  # type: ignore[method-assign]
    module.train()
    torch.manual_seed(0)
    x, known, labels = torch.rand(5, 1, 8, 8), torch.rand(2, 1, 8, 8), torch.tensor([3, 8])
    module._known = known, labels

    def bound(example: torch.Tensor, y: int) -> torch.Tensor:
        told = torch.tensor([[float(y)]])
        posterior = module.encode(example[None], told)
        rate = torch.distributions.kl_divergence(posterior, module.prior.distribution())
        return (3 * rate - module.decode(posterior.mean, told).log_prob(example[None]) + math.log(10)).squeeze()

    unlabelled = torch.stack(
        [
            sum(q * (bound(example, y) + q.log()) for y, q in enumerate(module.classify(example[None])[0].exp()))
            for example in x
        ]
    )
    labelled = torch.stack([bound(example, int(y)) for example, y in zip(known, labels, strict=True)])
    wrong = cross_entropy(module.classify(known), labels)
    expected = unlabelled.mean() + 2 / 100 * labelled.mean() + 7 * wrong
    for told in (torch.zeros(5).long(), torch.full((5,), 9)):  # the labels of the batch aren't used
        torch.testing.assert_close(module.step(Batch(x, told, 5), 100), expected)


def test_codes_are_of_a_class_drawn_from_the_classifier(composed: Compose) -> None:
    cfg = composed(*SETTINGS, "model=infovae")
    module = build_module(cfg, build_data(cfg))
    assert isinstance(module, SemiSupervised)
    module.draw = lambda posterior, global_size: posterior.mean  # type: ignore[method-assign]
    module.train()
    x = torch.rand(5, 1, 8, 8)
    module._known = x[:1], torch.tensor([3])
    torch.nn.init.zeros_(module.classifier[1].weight)
    module.classifier[1].bias.data = torch.where(torch.arange(10) == 4, 50.0, 0.0)
    codes, *_ = module._infer(Batch(x, torch.zeros(5).long(), 5), 100)
    torch.testing.assert_close(codes.z, module.encode(x, torch.full((5, 1), 4.0)).mean)


@pytest.mark.parametrize(
    ("override", "told"),
    [("condition=none", "condition=none: the class is what it learns"), ("bound=iwae", "module=SemiSupervised")],
)
def test_parts_that_are_refused(composed: Compose, override: str, told: str) -> None:
    cfg = composed(*SETTINGS, override)
    with pytest.raises(UserError, match=f"^{told}"):
        build_module(cfg, build_data(cfg))


def test_a_run_learns_the_classes(composed: Compose, tmp_path: Path) -> None:
    settings = [
        "trainer.max_epochs=3", "data.batch_size=100", "optimizer.lr=3e-3", "logger=none", "callbacks=checkpoint",
        "metrics=[]", "trainer.accelerator=cpu", "trainer.enable_progress_bar=false", "module.labelled=300",
        "callbacks.checkpoint.monitor=validation/classifier_error",
    ]  # fmt: skip
    found = train(composed(*SETTINGS, *settings, run_dir=tmp_path))
    assert found["test/classifier_error"] < 0.5  # chance is 0.9
    module, data = load(tmp_path).module, load(tmp_path).data
    assert isinstance(module, SemiSupervised)
    wrong = module.classify(data.inputs("test")[torch.arange(360)]).argmax(dim=1) != data.splits["test"].labels
    assert wrong.float().mean().item() == pytest.approx(found["test/classifier_error"], abs=1e-6)

"""trainer.precision=auto, compile=auto: what is chosen, that choosing moves nothing, and float32 where it must be."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import PROJECT, SMALL, Compose
from omegaconf import OmegaConf

from infovae.data.loader import Batch
from infovae.errors import UserError
from infovae.likelihoods.bernoulli import Bernoulli, FastBernoulli
from infovae.runs.checkpoints import read_checkpoint
from infovae.training import precision
from infovae.training.assemble import build_data, build_module
from infovae.training.precision import Computation, Timing, choose, time_steps
from infovae.training.run import train

RUN = [*SMALL, "metrics=[]", "callbacks=checkpoint", "trainer.max_epochs=1"]
AUTO = "trainer.precision=auto"


def pretend(monkeypatch: pytest.MonkeyPatch, seconds: dict[Computation, Timing]) -> list[Computation]:
    """Measure, so that whatever that moves is moved, and then say otherwise; what was measured is listed."""
    measured: list[Computation] = []

    def told(cfg, data, device, precision, compiled):  # type: ignore[no-untyped-def]
        found = time_steps(cfg, data, device, precision, compiled=False)
        assert 0 < found.step < math.inf
        assert found.compiling == 0  # what an uncompiled first step takes longer is warming up
        measured.append(Computation(precision, compiled))
        return seconds[measured[-1]]

    monkeypatch.setattr(precision, "time_steps", told)
    return measured


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_checkpoint(run / "checkpoints" / "last.ckpt", "")["state_dict"]
    return state


@pytest.mark.parametrize(("full", "half", "faster"), [(2.0, 1.0, "bf16-mixed"), (1.0, 2.0, "32-true")])
def test_the_faster_precision_is_taken_told_and_written_down(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    full: float, half: float, faster: str,
) -> None:  # fmt: skip
    pretend(
        monkeypatch, {Computation("32-true", False): Timing(0, full), Computation("bf16-mixed", False): Timing(0, half)}
    )
    caplog.set_level("INFO")
    train(composed(*RUN, AUTO, run_dir=tmp_path))
    assert OmegaConf.load(tmp_path / "config.yaml").trainer.precision == faster
    (line,) = [record.message for record in caplog.records if "fastest" in record.message]
    assert f"trainer.precision={faster}, compile=False" in line
    assert f"32-true {1000 * full:.1f} ms" in line
    assert f"bf16-mixed {1000 * half:.1f} ms" in line


def test_choosing_moves_neither_weights_nor_random_streams(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(composed(*RUN, run_dir=tmp_path / "plain"))
    pretend(monkeypatch, {Computation("32-true", False): Timing(0, 1), Computation("bf16-mixed", False): Timing(0, 2)})
    train(composed(*RUN, AUTO, run_dir=tmp_path / "auto"))
    plain, chosen = weights(tmp_path / "plain"), weights(tmp_path / "auto")
    assert all(torch.equal(plain[name], chosen[name]) for name in plain)


def test_a_run_that_goes_on_computes_as_before_and_ends_the_same(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster = {Computation("32-true", False): Timing(0, 2), Computation("bf16-mixed", False): Timing(0, 1)}
    measured = pretend(monkeypatch, faster)
    longer = [*RUN, AUTO, "trainer.max_epochs=2"]
    train(composed(*longer, run_dir=tmp_path / "whole"))
    train(composed(*RUN, AUTO, run_dir=tmp_path / "cut"))
    measured.clear()
    checkpoint = f"ckpt_path={tmp_path / 'cut' / 'checkpoints' / 'last.ckpt'}"
    train(composed(*longer, checkpoint, run_dir=tmp_path / "resumed"))
    assert measured == []
    assert OmegaConf.load(tmp_path / "resumed" / "config.yaml").trainer.precision == "bf16-mixed"
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "resumed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize(
    ("step", "epochs", "told"), [(0.01, 10, "less than a second"), (1, 10, "about 40 s"), (1, 100_000, None)]
)
def test_compiling_must_pay_for_itself(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, step: float, epochs: int,
    told: str | None,
) -> None:  # fmt: skip
    """4 steps an epoch, 0.9 as long if compiled in 50 s: 0.4 s and 40 s are not worth trying, 111 hours are."""
    timings = {Computation("32-true", False): Timing(0, step), Computation("32-true", True): Timing(50, 0.9 * step)}
    measured = pretend(monkeypatch, timings)
    caplog.set_level("INFO")
    cfg = composed(*RUN, "compile=auto", f"trainer.max_epochs={epochs}")
    compiles = told is None
    assert choose(cfg, build_data(cfg)) == Computation("32-true", compiles)
    assert len(measured) == 1 + compiles
    assert compiles != (f"compile=auto: all steps take {told}; compiling is tried from 60 s on" in caplog.text)


def test_bf16_is_no_candidate_where_a_fused_optimiser_clips(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = pretend(monkeypatch, {Computation("32-true", False): Timing(0, 1)})
    cfg = composed(*RUN, AUTO, "trainer.gradient_clip_val=1")
    assert choose(cfg, build_data(cfg)).precision == "32-true"
    assert len(measured) == 1


def test_several_processes_are_not_left_to_choose(composed: Compose) -> None:
    cfg = composed(*RUN, AUTO, "trainer.devices=2")
    with pytest.raises(UserError, match=r"trainer\.devices=2: .* accepted: trainer\.devices=1, or a precision"):
        choose(cfg, build_data(cfg))


@pytest.mark.parametrize("divergence", ["mmd", "adversarial", "stein", "kl"])
def test_under_bf16_codes_densities_and_divergence_are_float32(composed: Compose, divergence: str) -> None:
    """Given the same bfloat16 logits and posterior parameters, each term is that of float32 arithmetic."""
    cfg = composed(*RUN, f"divergence={divergence}")
    module = build_module(cfg, build_data(cfg))
    images = torch.rand(100, 1, 28, 28)
    seen: list[torch.Tensor] = []
    for network in (module.encoder, module.decoder):
        network.register_forward_hook(lambda _module, _inputs, output: seen.append(output.detach()))
    with torch.autocast("cpu", torch.bfloat16):
        module.step(Batch(images, torch.zeros(100, dtype=torch.int64), 100), 400)
    assert [output.dtype for output in seen] == [torch.bfloat16] * 2
    terms = module.step_terms
    assert terms is not None
    assert all(term.dtype == torch.float32 for term in terms[:4])
    parameters, logits = (output.double() for output in seen)
    mean, log_variance = parameters.chunk(2, dim=1)
    rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 100
    reconstruction = -Bernoulli()(logits).log_prob(images.double()).sum() / 100
    # Sums of 784 float32 terms, each rounded once or twice: far under the 0.4 % that a bfloat16 rounds by.
    assert terms.rate.item() == pytest.approx(rate.item(), rel=1e-5, abs=1e-5)
    assert terms.reconstruction.item() == pytest.approx(reconstruction.item(), rel=1e-5)


def test_coins_are_bernoulli_to_the_last_digits_and_so_is_their_gradient() -> None:
    logits = torch.cat([torch.linspace(-90, 90, 721), torch.tensor([0.0, 1e-9, -1e-4])]).double().requires_grad_()
    for value in (0.0, 0.3, 1.0):
        x = torch.full_like(logits, value)
        exact = torch.distributions.Bernoulli(logits=logits, validate_args=False).log_prob(x)
        ours = FastBernoulli(logits=logits, validate_args=False).log_prob(x)
        torch.testing.assert_close(ours, exact, rtol=1e-14, atol=1e-14)
        for one, other in zip(
            torch.autograd.grad([ours.sum()], logits), torch.autograd.grad([exact.sum()], logits), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=1e-14, atol=1e-14)


def test_coins_have_gradients_in_shapes_that_broadcast() -> None:
    logits, x = torch.randn(3, 1, 2).double().requires_grad_(), torch.rand(4, 2).double().requires_grad_()

    def log_prob(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return FastBernoulli(logits=logits, validate_args=False).log_prob(x)

    assert torch.autograd.gradcheck(log_prob, (logits, x))
    assert torch.autograd.gradgradcheck(log_prob, (logits, x))


COUNT_GRAPHS = """
import sys
import torch
from infovae.training.assemble import build_data, build_module
from infovae.data.loader import Batch
from hydra import compose, initialize_config_dir
with initialize_config_dir(sys.argv[1], version_base=None):
    cfg = compose("config", [*sys.argv[2:], "name=graphs", "run_dir=nowhere"])
module = build_module(cfg, build_data(cfg))
module.compile_training()
batch = Batch(torch.rand(100, 1, 28, 28), torch.zeros(100, dtype=torch.int64), 100)
explained = torch._dynamo.explain(module._compiled_loss)(batch, 400)
print(explained.graph_count, explained.break_reasons)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "divergence", ["mmd", "energy", "mmd_fourier", "kl", "stein", "sliced_wasserstein", "total_correlation", "dip"]
)
def test_a_training_step_is_one_graph(divergence: str) -> None:
    """From the images to the loss: a graph that breaks is slower, and torch gives up on one that breaks in a loop.

    In a process without the suite's checks of shapes, which break graphs themselves.
    """
    command = [sys.executable, "-c", COUNT_GRAPHS, str(PROJECT / "conf"), *RUN, f"divergence={divergence}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["1 []"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "divergence",
    [
        "mmd",
        "energy",
        "mmd_block",
        "mmd_fourier",
        "kl",
        "stein",
        "sliced_wasserstein",
        "sinkhorn",
        "adversarial",
        "dip",
    ],
)
def test_compiled_steps_follow_plain_ones(composed: Compose, tmp_path: Path, divergence: str) -> None:
    """The same noise and batches: losses differ by rounding alone. Compiling takes some seconds for each."""
    run = [*RUN, f"divergence={divergence}", "model=infovae"]
    found = [train(composed(*run, f"compile={way}", run_dir=tmp_path / way)) for way in ("false", "true")]
    assert found[0]["test/loss"] == pytest.approx(found[1]["test/loss"], rel=1e-4)
    assert read_checkpoint(tmp_path / "true" / "checkpoints" / "last.ckpt", "")["config"]["compile"]

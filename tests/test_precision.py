"""trainer.precision=auto, compile=auto: what is chosen, that choosing moves nothing, and float32 where it must be."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import PROJECT, SMALL, Compose
from omegaconf import DictConfig, OmegaConf

from infovae.data.loader import Batch
from infovae.errors import UserError
from infovae.likelihoods.bernoulli import Bernoulli, FastBernoulli
from infovae.runs.checkpoints import read_checkpoint
from infovae.training import precision
from infovae.training.assemble import build_data, build_module
from infovae.training.precision import Computation, check_computation, choose, has_bfloat16, has_compiler
from infovae.training.run import train

RUN = [*SMALL, "metrics=[]", "callbacks=checkpoint", "trainer.max_epochs=1"]
AUTO = "trainer.precision=auto"


def pretend(monkeypatch: pytest.MonkeyPatch, half: bool, compiler: bool = True) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda _device: half)
    monkeypatch.setattr(precision, "has_compiler", lambda _device: compiler)


def chosen_for(cfg: DictConfig) -> Computation:
    data = build_data(cfg)
    return choose(cfg, data, build_module(cfg, data))


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_checkpoint(run / "checkpoints" / "last.ckpt", "")["state_dict"]
    return state


@pytest.mark.parametrize(("half", "chosen"), [(True, "bf16-mixed"), (False, "32-true")])
def test_the_precision_that_the_machine_has_is_taken_told_and_written_down(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    half: bool, chosen: str,
) -> None:  # fmt: skip
    pretend(monkeypatch, half)
    caplog.set_level("INFO")
    train(composed(*RUN, AUTO, run_dir=tmp_path))
    assert OmegaConf.load(tmp_path / "config.yaml").trainer.precision == chosen
    (line,) = [record.message for record in caplog.records if "units for bf16" in record.message]
    assert line.startswith(f"trainer.precision={chosen}, compile=false: this cpu has {'' if half else 'no '}units")


def test_a_run_that_goes_on_computes_as_before_and_ends_the_same(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, half=True)
    longer = [*RUN, AUTO, "trainer.max_epochs=2"]
    train(composed(*longer, run_dir=tmp_path / "whole"))
    train(composed(*RUN, AUTO, run_dir=tmp_path / "cut"))
    pretend(monkeypatch, half=False)  # on another machine
    checkpoint = f"ckpt_path={tmp_path / 'cut' / 'checkpoints' / 'last.ckpt'}"
    train(composed(*longer, checkpoint, run_dir=tmp_path / "resumed"))
    assert OmegaConf.load(tmp_path / "resumed" / "config.yaml").trainer.precision == "bf16-mixed"
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "resumed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize(
    ("epochs", "compiler", "more", "compiles"),
    [
        (4_999, True, [], False),
        (5_000, True, [], True),
        (5_000, False, [], False),
        (5_000, True, ["network=conv", "network.encoder.hidden=8", "network.decoder.hidden=8"], False),
    ],
)
def test_steps_are_compiled_where_that_makes_a_run_shorter(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, epochs: int, compiler: bool, more: list[str], compiles: bool
) -> None:
    """Of 4 steps an epoch, on a CPU."""
    pretend(monkeypatch, half=False, compiler=compiler)
    cfg = composed(*RUN, "compile=auto", f"trainer.max_epochs={epochs}", *more)
    assert chosen_for(cfg) == Computation("32-true", compiles)


def test_bf16_is_not_taken_where_a_fused_optimiser_clips(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, half=True)
    cfg = composed(*RUN, AUTO, "trainer.gradient_clip_val=1")
    assert chosen_for(cfg).precision == "32-true"


@pytest.mark.parametrize(
    ("half", "asked", "told"),
    [(False, "bf16-mixed", 1), (False, "bf16-true", 1), (True, "bf16-mixed", 0), (False, "32-true", 0)],
)
def test_bf16_that_a_cpu_emulates_gets_one_warning(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    half: bool, asked: str, told: int,
) -> None:  # fmt: skip
    pretend(monkeypatch, half)
    check_computation(composed(*RUN, "trainer=cpu", f"trainer.precision={asked}"))
    assert len([line for line in caplog.messages if f"precision={asked}: this CPU has no units" in line]) == told


def test_compiling_without_a_compiler_is_refused_before_anything_is_written(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UserError, match=r"compile=true: needs (g|clang)\+\+ and the headers of Python; accepted: auto"):
        train(composed(*RUN, "trainer=cpu", "compile=true", run_dir=tmp_path / "run"))
    assert not any(path.is_file() for path in (tmp_path / "run").rglob("*"))


def test_the_compiler_is_the_one_that_torch_would_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for name in ("g++", "clang++", "own"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for command, there in (("", True), ("own -O3", True), ("absent", False)):
        monkeypatch.setenv("CXX", command)
        assert has_compiler(cpu) == there
    monkeypatch.delenv("CXX")
    (tmp_path / ("clang++" if sys.platform == "darwin" else "g++")).unlink()  # torch would not try the other
    assert not has_compiler(cpu)
    monkeypatch.setenv("CXX", "own")
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))  # no Python.h
    assert not has_compiler(cpu)


def test_what_a_processor_has_is_asked_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    for told, has in (
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"avx512_f": True}, False),
        ({}, False),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda told=told: told, raising=False)
        assert has_bfloat16(torch.device("cpu")) == has
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # as before torch 2.9
    assert not has_bfloat16(torch.device("cpu"))


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
from infovae.errors import UserError
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

"""The critic's steps, its state, and its place in a Lightning run; what it estimates is in the other files."""

import copy
import io
import math
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.adversarial import Adversarial
from infovae.divergences.critic import CriticDivergence
from infovae.divergences.density_ratio import DensityRatioKL
from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.priors.standard_normal import StandardNormal
from infovae.training.assemble import build_data, build_module, build_trainer
from infovae.training.checks import check_clipping

CONF = Path(__file__).parents[2] / "conf"
ADAM = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999))
MAKERS = {
    "non_saturating": partial(Adversarial, form="non_saturating"),
    "saturating": partial(Adversarial, form="saturating"),
    "wgan_gp": partial(Adversarial, form="wgan_gp"),
    "spectral_norm": partial(Adversarial, spectral_norm=True),
    "density_ratio": DensityRatioKL,
}
each_divergence = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def codes_of(z: Tensor) -> Codes:
    return Codes(z, z, torch.zeros_like(z), len(z))


def tensors(divergence: CriticDivergence) -> dict[str, Tensor]:
    """Weights, buffers and the optimiser's moments by name."""
    moments = divergence.optimizer.state_dict()["state"]
    named = dict(divergence.named_parameters()) | dict(divergence.named_buffers())
    return named | {f"{i}.{name}": value for i, state in moments.items() for name, value in state.items()}


def assert_same(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


@each_divergence
def test_no_parameter_requires_a_gradient_outside_of_adapt(make) -> None:
    divergence, prior = make(2, ADAM, hidden=[8]), StandardNormal(2)
    seen = []

    def critic_loss(z_q: Tensor, z_p: Tensor, loss=divergence.critic_loss) -> Tensor:
        seen.append([parameter.requires_grad for parameter in divergence.critic.parameters()])
        return loss(z_q, z_p)

    divergence.critic_loss = critic_loss
    assert not any(parameter.requires_grad for parameter in divergence.parameters())
    divergence.adapt(codes_of(torch.randn(4, 2)), prior)
    assert len(seen) == 1
    assert all(seen[0])
    assert not any(parameter.requires_grad for parameter in divergence.parameters())
    assert all(parameter.grad is None for parameter in divergence.parameters())


@each_divergence
def test_adapt_takes_its_steps_and_forward_takes_none(make) -> None:
    divergence, prior = make(2, ADAM, hidden=[8], critic_steps=3).eval(), StandardNormal(2)
    codes = codes_of(torch.randn(4, 2, requires_grad=True))
    divergence.adapt(codes.detach(), prior)
    before = {name: value.clone() for name, value in tensors(divergence).items()}
    assert before["0.step"] == 3
    divergence(codes, prior).backward()
    assert_same(before, tensors(divergence))
    assert codes.z.grad is not None
    assert codes.z.grad.abs().sum() > 0


def test_adapt_works_where_gradients_are_off_and_under_autocast() -> None:
    steps = []
    for context in (torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16), torch.enable_grad()):
        torch.manual_seed(0)
        divergence, prior = Adversarial(2, ADAM, hidden=[8]), StandardNormal(2)
        with context:
            divergence.adapt(codes_of(torch.randn(16, 2)), prior)
        steps.append(tensors(divergence))
    assert_same(steps[0], steps[2])
    assert_same(steps[1], steps[2])


def test_a_step_is_the_optimisers_in_full_precision() -> None:
    torch.manual_seed(0)
    sgd = partial(torch.optim.SGD, lr=0.1)  # Adam's first step hides the size of a gradient
    divergence, prior, codes = Adversarial(2, sgd, hidden=[8]), StandardNormal(2), codes_of(torch.randn(16, 2))
    other = copy.deepcopy(divergence)
    torch.manual_seed(1)
    divergence.adapt(codes, prior)
    torch.manual_seed(1)
    other.critic.requires_grad_(True)
    optimizer = sgd(other.critic.parameters())
    other.critic_loss(codes.z, prior.sample(16)).backward()
    optimizer.step()
    assert_same(dict(divergence.named_parameters()), dict(other.named_parameters()))


def test_value_is_unknown_until_the_critic_has_learned() -> None:
    divergence, prior, codes = Adversarial(2, ADAM, hidden=[8]), StandardNormal(2), codes_of(torch.randn(4, 2))
    assert divergence(codes, prior).isnan()
    divergence.adapt(codes, prior)
    assert divergence(codes, prior).isfinite()


def test_making_a_critic_follows_the_global_seed_without_moving_its_stream() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = Adversarial(2, ADAM, hidden=[8], spectral_norm=True)
    assert torch.equal(torch.rand(1), expected)
    torch.manual_seed(3)
    assert_same(tensors(first), tensors(Adversarial(2, ADAM, hidden=[8], spectral_norm=True)))
    torch.manual_seed(4)
    other = Adversarial(2, ADAM, hidden=[8], spectral_norm=True)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


@each_divergence
def test_state_goes_through_a_file_and_the_critic_goes_on_bit_for_bit(make) -> None:
    prior, z = StandardNormal(3), torch.randn(16, 3)
    torch.manual_seed(1)
    original = make(3, ADAM, hidden=[8, 8])
    for _ in range(3):
        original.adapt(codes_of(z), prior)
    file = io.BytesIO()
    torch.save(original.state_dict(), file)
    file.seek(0)
    torch.manual_seed(2)
    resumed = make(3, ADAM, hidden=[8, 8])
    resumed.load_state_dict(torch.load(file, weights_only=True))
    values = []
    for divergence in (original, resumed):
        torch.manual_seed(5)
        for _ in range(3):
            divergence.adapt(codes_of(z), prior)
        values.append(divergence(codes_of(z), prior))
    assert torch.equal(*values)
    assert_same(tensors(original), tensors(resumed))


def test_loading_in_memory_shares_no_tensor_with_the_source() -> None:
    prior, codes = StandardNormal(2), codes_of(torch.randn(4, 2))
    source, loaded = (Adversarial(2, ADAM, hidden=[4]) for _ in range(2))
    source.adapt(codes, prior)
    loaded.load_state_dict(source.state_dict())
    before = {name: value.clone() for name, value in tensors(source).items()}
    loaded.adapt(codes, prior)
    assert_same(before, tensors(source))


def test_optimizer_state_follows_the_module() -> None:
    """Float64 stands for another device: state loaded before the module moves must move with it."""
    divergence, prior, z = Adversarial(2, ADAM, hidden=[4]), StandardNormal(2), torch.randn(4, 2)
    divergence.adapt(codes_of(z), prior)
    other = Adversarial(2, ADAM, hidden=[4])
    other.load_state_dict(divergence.state_dict())
    other.double()
    assert all(state["exp_avg"].dtype == torch.float64 for state in other.optimizer.state.values())
    other.adapt(codes_of(z.double()), prior.double())
    assert all(parameter.dtype == torch.float64 for parameter in other.parameters())


def test_state_of_another_critic_is_a_runtime_error() -> None:
    divergence, prior = Adversarial(2, ADAM, hidden=[4]), StandardNormal(2)
    divergence.adapt(codes_of(torch.randn(4, 2)), prior)
    for hidden in ([4, 4], [8]):
        with pytest.raises(RuntimeError):
            Adversarial(2, ADAM, hidden=hidden).load_state_dict(divergence.state_dict())


def test_refusals_name_key_value_and_what_is_accepted() -> None:
    with pytest.raises(ValueError, match="critic_steps=0: invalid; accepted:"):
        Adversarial(2, ADAM, critic_steps=0)
    with pytest.raises(ValueError, match=r"hidden=\[4, 0\]: invalid; accepted:"):
        Adversarial(2, ADAM, hidden=[4, 0])
    with pytest.raises(ValueError, match="gradient_penalty_weight=-1: invalid; accepted:"):
        Adversarial(2, ADAM, gradient_penalty_weight=-1.0)
    with pytest.raises(ValueError, match="gradient_penalty_weight=inf: invalid; accepted:"):
        Adversarial(2, ADAM, gradient_penalty_weight=math.inf)
    for weight in (0.0, 0.5):
        assert Adversarial(2, ADAM, gradient_penalty_weight=weight).gradient_penalty_weight == weight
    with pytest.raises(ValueError, match="optimizer: Invalid learning rate"):
        Adversarial(2, partial(torch.optim.Adam, lr=-1.0))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(MAKERS)),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(-30, 12),
    st.booleans(),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_any_shape_and_scale_keeps_critic_and_gradient_finite(
    name: str, n: int, d: int, log_scale: int, repeated: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    divergence, prior = MAKERS[name](d, ADAM, hidden=[4]).to(dtype), StandardNormal(d).to(dtype)
    z = torch.randn(1 if repeated else n, d, dtype=dtype).expand(n, d) * 10.0**log_scale
    z = z.clone().requires_grad_()
    for _ in range(3):
        divergence.adapt(codes_of(z).detach(), prior)
    value = divergence(codes_of(z), prior)
    value.backward()
    assert value.shape == ()
    assert value.dtype == dtype
    assert value.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert all(tensor.isfinite().all() for tensor in tensors(divergence).values())


def config(run_dir: Path, *overrides: str) -> DictConfig:
    """Of a run on 256 digits, two batches of 128 an epoch."""
    fixed = (
        "data.train_size=256 data.validation_size=128 network.encoder.hidden=[16] network.decoder.hidden=[16] "
        "logger=none callbacks=none trainer.enable_progress_bar=false trainer.limit_val_batches=1 "
        f"trainer.accelerator=cpu trainer.precision=32-true name=test run_dir={run_dir}"
    )
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=[*fixed.split(), *overrides])


def prepare(run_dir: Path, *overrides: str) -> tuple[pl.Trainer, InfoVAE, pl.LightningDataModule]:
    cfg = config(run_dir, *overrides)
    pl.seed_everything(1, verbose=False)
    data = build_data(cfg)
    module = build_module(cfg, data)
    return build_trainer(cfg), module, data


pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=aae", "trainer.precision=bf16-mixed"),
        ("model=aae", "trainer.gradient_clip_val=0.5"),
        ("model=aae", "trainer.accumulate_grad_batches=2"),
        ("model=aae", "divergence=kl_density_ratio"),
        ("model=aae", "divergence.form=wgan_gp", "divergence.critic_steps=2"),
        ("model=aae", "posterior=diagonal_gaussian", "divergence.form=saturating"),
        ("model=wae_gan",),
        ("model=wae_gan", "trainer.precision=bf16-mixed", "trainer.gradient_clip_val=0.5", "optimizer.fused=false"),
    ],
    ids=" ".join,
)
def test_trains_with_the_settings_of_the_trainer(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    trainer, module, data = prepare(tmp_path, *overrides, "trainer.max_epochs=2")
    trainer.fit(module, data)
    accumulated = 2 if "trainer.accumulate_grad_batches=2" in overrides else 1
    assert trainer.global_step == 4 // accumulated, "the critic's steps must not count"
    divergence = module.divergence
    assert isinstance(divergence, CriticDivergence)
    steps = 4 * divergence.critic_steps
    assert all(state["step"] == steps for state in divergence.optimizer.state.values())
    assert all(parameter.isfinite().all() for parameter in module.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in module.parameters())
    assert trainer.callback_metrics["train/divergence"].isfinite()
    assert trainer.callback_metrics["validation/divergence"].isfinite()


def test_what_lightning_cannot_clip_is_refused_before_training(tmp_path: Path) -> None:
    mixed, clipped = "trainer.precision=bf16-mixed", "trainer.gradient_clip_val=0.5"
    cfg = config(tmp_path, "model=aae", mixed, clipped)
    with pytest.raises(UserError, match=r"^optimizer.fused=true: .*; accepted: optimizer.fused=false$"):
        check_clipping(cfg, build_trainer(cfg))
    for accepted in ([mixed], [clipped], [mixed, clipped, "optimizer.fused=false"]):
        cfg = config(tmp_path, "model=aae", *accepted)
        check_clipping(cfg, build_trainer(cfg))


@pytest.mark.parametrize("divergence", ["adversarial", "kl_density_ratio"])
def test_encoders_optimizer_never_sees_the_critic(tmp_path: Path, divergence: str) -> None:
    _, module, _ = prepare(tmp_path, "model=aae", f"divergence={divergence}")
    optimized = {id(p) for group in module.configure_optimizers().param_groups for p in group["params"]}
    critic = {id(p) for p in module.divergence.parameters()}
    assert critic
    assert not optimized & critic
    assert optimized | critic == {id(p) for p in module.parameters()}


def test_clipping_binds_the_autoencoder_and_leaves_the_critic_alone(tmp_path: Path) -> None:
    """Clipped to almost nothing under plain SGD, the autoencoder stands still while the critic learns."""
    trainer, module, data = prepare(
        tmp_path, "model=aae", "trainer.max_epochs=1", "optimizer=sgd", "trainer.gradient_clip_val=1e-12"
    )
    before = {name: value.clone() for name, value in module.named_parameters()}
    trainer.fit(module, data)
    for name, value in module.named_parameters():
        moved = (value - before[name]).abs().max()
        assert (moved > 1e-4) if name.startswith("divergence.") else (moved < 1e-12), name


def test_a_resumed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, module, data = prepare(tmp_path / "whole", "model=aae", "trainer.max_epochs=2")
    whole.fit(module, data)
    half, first, data = prepare(tmp_path / "half", "model=aae", "trainer.max_epochs=1")
    half.fit(first, data)
    half.save_checkpoint(tmp_path / "half.ckpt")
    rest, resumed, data = prepare(tmp_path / "rest", "model=aae", "trainer.max_epochs=2")
    rest.fit(resumed, data, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert_same(dict(module.named_parameters()), dict(resumed.named_parameters()))
    assert isinstance(module.divergence, CriticDivergence)
    assert isinstance(resumed.divergence, CriticDivergence)
    assert_same(tensors(module.divergence), tensors(resumed.divergence))
    assert all(state["step"] == 4 for state in resumed.divergence.optimizer.state.values())


def test_at_weight_zero_a_run_is_the_same_whatever_the_critic(tmp_path: Path) -> None:
    weights = []
    for divergence in ("adversarial", "mmd"):
        overrides = ("model=vae", f"divergence={divergence}", "trainer.max_epochs=1")
        trainer, module, data = prepare(tmp_path, *overrides)
        trainer.fit(module, data)
        weights.append(dict(module.encoder.named_parameters()) | dict(module.decoder.named_parameters()))
    assert_same(*weights)

"""export.py: a trained model's encoder, decoder and fitted prior as programs that don't need this package."""

import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from infovae.conditions.columns import Columns
from infovae.conditions.condition import beside
from infovae.conditions.labels import Labels
from infovae.config.check import check
from infovae.data.columns import shown
from infovae.data.values import Values
from infovae.errors import UserError
from infovae.evaluation.load import LOADED, SavedRun, load
from infovae.fitted_priors.fitted_prior import FittedPrior
from infovae.model import given
from infovae.networks.autoregressive import AutoregressiveDecoder
from infovae.runs.disk import disk_errors
from infovae.runs.files import refuse_links, write_whole
from infovae.runs.folder import check_writable, write_config, write_record
from infovae.runs.hub import require_output
from infovae.streams import isolated_stream
from infovae.terminal.install import install
from infovae.training.quiet import quieten

log = logging.getLogger(__name__)

TOP_LEVEL: dict[str, Any] = LOADED | {"run": str | None, "output": str | None}
"""Keys of infovae export, with their types."""

BATCH_SIZES = (1, 2, 7, 64)
"""Batch sizes at which programs are compared with the model."""

ROUNDINGS = 10
"""How many times the model's own rounding error a program may differ: it sums in another order."""

Program = Callable[..., tuple[Tensor, ...]]


class Units(nn.Module):
    """Standardise numbers by the training split's mean and scale, kept as weights, and undo it.

    These are in float64, and so are numbers in the data's units, where float32 would lose differences. They are 0 and 1
    unless the values are standardised. ``dimensions`` says how many an example has, its channels included.
    """

    mean: Tensor
    scale: Tensor
    divisor: Tensor
    precision: Tensor
    """In the precision of the networks."""

    def __init__(self, values: Values | None, dimensions: int) -> None:
        super().__init__()
        shape = (-1, *[1] * (dimensions - 1))
        self.register_buffer("mean", getattr(values, "mean", torch.zeros(1)).view(shape))
        self.register_buffer("scale", getattr(values, "scale", torch.ones(1)).view(shape))
        self.register_buffer("divisor", getattr(values, "divisor", torch.ones(1)).view(shape))
        self.register_buffer("precision", torch.zeros(()))

    def to_model(self, x: Float[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
        """Return examples as the model sees them."""
        return ((x - self.mean) / self.divisor).to(self.precision.dtype)

    def from_model(self, x: Float[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
        """Return examples in the units in which they came."""
        return x * self.scale + self.mean


class ConditionProgram(nn.Module):
    """Put the features of conditions beside an input; of a model without a condition, return the input.

    Conditions come as numbers (n, k): the class's number, or columns in the units of the data. A row with a NaN is the
    null condition.
    """

    def __init__(self, saved: SavedRun) -> None:
        super().__init__()
        self.condition = saved.module.condition
        self.units = Units(saved.description.conditions if isinstance(self.condition, Columns) else None, 1)

    def forward(self, inputs: Tensor, conditions: Float[Tensor, "n k"] | None, flat: bool) -> Tensor:
        if self.condition is None or conditions is None:
            return inputs
        return beside(inputs, self.condition.masked(self.units.to_model(conditions)), flat)


class EncoderProgram(nn.Module):
    """Map examples, (n, c, *s), to mean and variance of q(z|x), (n, d) each. Images are pixels in [0, 1]."""

    def __init__(self, saved: SavedRun) -> None:
        super().__init__()
        self.encoder, self.posterior = saved.module.encoder, saved.module.posterior
        self.values, self.units = saved.description.values, Units(saved.description.values, len(saved.shape))
        self.given = ConditionProgram(saved)

    def forward(
        self, inputs: Float[Tensor, "n c *s"], conditions: Float[Tensor, "n k"] | None = None
    ) -> tuple[Tensor, Tensor]:
        seen = self.values.encoder_input(self.units.to_model(inputs))
        posterior = self.posterior(self.encoder(self.given(seen, conditions, getattr(self.encoder, "flattens", False))))
        return posterior.mean, posterior.variance


class DecoderProgram(nn.Module):
    """Map codes, (n, d), to the mean of p(x|z), (n, c, *s), in the units of the data."""

    def __init__(self, saved: SavedRun) -> None:
        super().__init__()
        self.decoder, self.likelihood = saved.module.decoder, saved.module.likelihood
        self.units, self.given = Units(saved.description.values, len(saved.shape)), ConditionProgram(saved)

    def forward(self, inputs: Float[Tensor, "n d"], conditions: Float[Tensor, "n k"] | None = None) -> tuple[Tensor]:
        z = self.given(inputs, conditions, flat=True)
        return (self.units.from_model(self.decoder.distribution(z, self.likelihood).mean),)


class PriorProgram(nn.Module):
    """Map draws from N(0, I), (n, k), to codes that follow a fitted prior, (n, d)."""

    def __init__(self, prior: FittedPrior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, inputs: Float[Tensor, "n k"]) -> tuple[Tensor]:
        return (self.prior.from_noise(inputs),)


class Part(NamedTuple):
    """A part of the model that becomes a program.

    ``examples`` are inputs to trace and check with, by name and in order, at least 2 rows each.
    """

    network: nn.Module
    examples: dict[str, Tensor]
    output_names: tuple[str, ...]

    def inputs(self, rows: slice) -> tuple[Tensor, ...]:
        """Return some of the examples."""
        return tuple(tensor[rows] for tensor in self.examples.values())


def export(cfg: DictConfig) -> None:
    """Write a run's parts as programs, with its config and ``export.json``; everything or nothing."""
    quieten()
    check(cfg, TOP_LEVEL)
    require_output(cfg.run, cfg.output)
    _check_installed()
    saved = load(cfg.run, cfg.checkpoint, cfg.override, cfg.trust, cfg.weights)
    output = Path(cfg.output or saved.place("export"))
    inside = output if cfg.output else saved.folder
    check_writable(output, "output")
    refuse_links(output, inside)
    with tempfile.TemporaryDirectory() as aside, torch.no_grad(), disk_errors(f"output={output}"):
        described = {name: _export_part(name, part, Path(aside)) for name, part in parts(saved).items()}
        for name, suffix in product(("encoder", "decoder", "prior"), ("pt2", "onnx")):
            (output / f"{name}.{suffix}").unlink(missing_ok=True)  # of an earlier export
        for path in Path(aside).iterdir():
            write_whole(output / path.name, path.read_bytes(), inside=inside)
        write_config(saved.cfg, output)
        record = {
            "checkpoint": str(saved.checkpoint),
            "weights": cfg.weights,
            "override": OmegaConf.to_container(cfg.override, resolve=True),
            "programs": described,
            "entries": entry_names(saved),
        }
        write_record(output / "export.json", record)
    if "decoder" not in described:
        print("decoder: left out; an autoregressive decoder draws pixel by pixel, which is no fixed program")
    print(f"exported: {output} ({', '.join(described)})")


def entry_names(saved: SavedRun) -> dict[str, list[str]]:
    """Return what each entry of ``x`` and of ``conditions`` is, where they have names.

    A column of categories has an entry of 0 or 1 for each, ``COLUMN=CATEGORY``. Of a class, its number is the input,
    and the names are listed in order.
    """
    condition, description = saved.module.condition, saved.description
    names = {"x": shown(getattr(description.values, "names", []))}
    if isinstance(condition, Labels):
        names["conditions"] = list(description.class_names)
    elif condition is not None and description.conditions is not None:
        names["conditions"] = shown(description.conditions.names)
    return {name: listed for name, listed in names.items() if listed}


@torch.no_grad()
def parts(saved: SavedRun) -> dict[str, Part]:
    """Return what can be exported: the encoder, a fitted prior, and the decoder unless it draws pixel by pixel.

    The examples are noise and, where they are cheap, the model's own samples, so the run's images aren't needed.
    """
    module, values = saved.module.cpu(), saved.description.values
    fixed, are_pixels = not isinstance(module.decoder, AutoregressiveDecoder), values.range == "unit"
    half = max(BATCH_SIZES) // 2
    with isolated_stream(torch.device("cpu")):
        conditions = _conditions(saved, 2 * half)
        model = given(module, conditions)
        noise, z = torch.rand(half, *saved.shape), torch.randn(half, module.prior.latent_dim)
        if are_pixels:
            samples = model.decode(module.prior.sample(2 * half)).mean[:half] if fixed else torch.rand_like(noise)
            x = torch.cat([samples.nan_to_num().clamp(0, 1), noise])
        else:
            x = model.decode(module.prior.sample(2 * half)).sample()
    encoder, name = EncoderProgram(saved).eval(), "images" if are_pixels else "x"
    told = {} if conditions is None else {"conditions": encoder.given.units.from_model(conditions)}
    chosen = {"encoder": Part(encoder, {name: values.from_model(x)} | told, ("mean", "variance"))}
    if fixed:
        codes = torch.cat([model.encode(x).mean[:half], z])
        chosen["decoder"] = Part(DecoderProgram(saved).eval(), {"z": codes} | told, ("mean",))
    if isinstance(module.prior, FittedPrior):
        with isolated_stream(torch.device("cpu")):
            noise = torch.randn(max(BATCH_SIZES), module.prior.noise_dim)
        chosen["prior"] = Part(PriorProgram(module.prior).eval(), {"noise": noise}, ("z",))
    return chosen


def _conditions(saved: SavedRun, n: int) -> Float[Tensor, "n k"] | None:
    """Return classes in turn, or noise for columns, as the model sees them; in every fifth row, the null condition if
    the model knows it."""
    condition, columns = saved.module.condition, saved.description.conditions
    if condition is None:
        return None
    conditions = condition.spread(n, 1)
    if conditions is None:
        assert columns is not None
        conditions = torch.randn(n, len(columns.mean))
    if condition.dropout > 0:
        conditions[::5] = torch.nan
    return conditions


def _export_part(name: str, part: Part, folder: Path) -> dict[str, Any]:
    pt2, onnx = folder / f"{name}.pt2", folder / f"{name}.onnx"
    batch = torch.export.Dim("batch", min=1)
    with _without_notices():
        inputs = part.inputs(slice(7))
        program = torch.export.export(part.network, inputs, dynamic_shapes=tuple({0: batch} for _ in inputs))
        torch.export.save(program, pt2)
        torch.onnx.export(
            program, (), onnx, input_names=[*part.examples], output_names=list(part.output_names),
            dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip
    differences = {"pt2": check_equal(f"{name}.pt2", torch.export.load(pt2).module(), part)}
    if importlib.util.find_spec("onnxruntime"):
        differences["onnx"] = check_equal(f"{name}.onnx", _onnx_program(onnx, part), part)
    else:
        log.warning("%s.onnx is written unchecked: onnxruntime is not installed; pip install -e '.[export]'", name)
    outputs = zip(part.output_names, part.network(*part.examples.values()), strict=True)
    return {
        "inputs": [{"name": given, "shape": ["batch", *x.shape[1:]]} for given, x in part.examples.items()],
        "outputs": [{"name": given, "shape": ["batch", *x.shape[1:]]} for given, x in outputs],
        "largest_difference": differences,
    }


def check_equal(name: str, program: Program, part: Part) -> float:
    """Return the largest difference between a program's outputs and the network's, at several batch sizes.

    The difference between the network in float32 and in float64 measures how much float32 rounds here. It is taken
    over all examples, because that of a few can be small by luck. A program that adds in another order rounds as much
    again.

    Raises:
        UserError: the difference is more than rounding, or the network's outputs are not finite.
    """
    outputs = part.network(*part.examples.values())
    exact = deepcopy(part.network).double()(*(x.double() for x in part.examples.values()))
    allowed: list[float] = []
    for output, ours, true in zip(part.output_names, outputs, exact, strict=True):
        if not ours.isfinite().all():
            raise UserError(f"{name}: nothing written; the model's own {output} is not finite")
        step = torch.finfo(ours.dtype).eps * ours.abs().max().item()
        allowed.append(ROUNDINGS * ((ours - true).abs().max().item() + step))
    largest = 0.0
    for size in BATCH_SIZES:
        for inputs in (part.inputs(slice(size)), part.inputs(slice(-size, None))):
            expected = part.network(*inputs)
            for output, ours, theirs, most in zip(part.output_names, expected, program(*inputs), allowed, strict=True):
                difference = (ours - theirs).abs().max().item()
                if theirs.shape != ours.shape or not difference <= most:
                    off = f"{output} is off by {difference:.2g} at batch size {len(ours)}"
                    raise UserError(f"nothing written; {off}, where rounding explains {most:.2g}", key=name)
                largest = max(largest, difference)
    return largest


def _onnx_program(path: Path, part: Part) -> Program:
    import onnxruntime  # an extra

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def program(*inputs: Tensor) -> tuple[Tensor, ...]:
        named = {name: tensor.numpy() for name, tensor in zip(part.examples, inputs, strict=True)}
        return tuple(map(torch.from_numpy, session.run(None, named)))

    return program


def _check_installed() -> None:
    if missing := [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]:
        raise UserError(f"{' and '.join(missing)}: not installed; ONNX files need {install('export')}")


@contextmanager
def _without_notices() -> Iterator[None]:
    """Silence notices that the exporters mean for their own developers."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

"""`infovae export` as a user runs it."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import CONF, SMALL, Command, composing
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import nn

from infovae.errors import UserError
from infovae.evaluation.export import Part, check_equal, export, parts
from infovae.evaluation.load import load
from infovae.training.run import train

FRESH = """
import sys, numpy, onnxruntime, torch
inputs = torch.load("inputs.pt")
for name, key in (("encoder", "images"), ("decoder", "z")):
    program = torch.export.load(f"run/export/{name}.pt2").module()
    session = onnxruntime.InferenceSession(f"run/export/{name}.onnx", providers=["CPUExecutionProvider"])
    for size in (1, 3):
        for ours, theirs in zip(program(inputs[key][:size]), session.run(None, {key: inputs[key][:size].numpy()})):
            assert numpy.allclose(ours.detach().numpy(), theirs, rtol=1e-4, atol=1e-5)
assert "infovae" not in sys.modules
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    with composing() as composed:
        train(composed(*SMALL, "pictures=[]", "latent_dim=3", "trainer.max_epochs=1", run_dir=folder))
    return folder


def configured(run: Path) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("export", overrides=[f"run={run}"])


def test_programs_run_without_this_package(command: Command, run: Path, tmp_path: Path) -> None:
    answer = command("export", "run=run")
    assert answer.returncode == 0, answer.stderr
    record = json.loads((run / "export" / "export.json").read_text())["programs"]
    assert record["encoder"]["inputs"] == [{"name": "images", "shape": ["batch", 1, 28, 28]}]
    assert [output["name"] for output in record["encoder"]["outputs"]] == ["mean", "variance"]
    assert (run / "export" / "config.yaml").read_text() == (run / "config.yaml").read_text()
    torch.save({"images": torch.rand(3, 1, 28, 28), "z": torch.randn(3, 3)}, tmp_path / "inputs.pt")
    subprocess.run([sys.executable, "-c", FRESH], cwd=tmp_path, check=True)


@pytest.mark.slow
@pytest.mark.parametrize("posterior", ["full_gaussian", "iaf"])
def test_every_posterior_with_dependent_dimensions_is_exported(tmp_path: Path, posterior: str) -> None:
    with composing() as composed:
        settings = ["pictures=[]", "latent_dim=3", "trainer.max_epochs=1", f"posterior={posterior}"]
        train(composed(*SMALL, *settings, run_dir=tmp_path))
    export(configured(tmp_path))  # compares both programs with the model
    assert (tmp_path / "export/encoder.onnx").exists()


def test_another_function_is_refused(run: Path) -> None:
    part = parts(load(run))["decoder"]
    with torch.no_grad(), pytest.raises(UserError, match="nothing written; mean is off by"):
        check_equal("decoder.pt2", lambda z: (part.network(z)[0] + 1e-4,), part)


class Total(nn.Module):
    """Three numbers added, from the left or from the right."""

    def __init__(self, order: tuple[int, int, int]) -> None:
        super().__init__()
        self.order = order

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor]:
        first, second, third = (inputs[:, [position]] for position in self.order)
        return (first + second + third,)


def test_rounding_that_one_example_is_spared_by_luck_is_granted_to_it() -> None:
    """2^25 - 2^25 + 1 is 1 from the left and 0 from the right, where 1 - 2^25 is no float32; float64 has it exactly."""
    lucky = torch.tensor([[2.0**25, -(2.0**25), 1.0]])
    others = 2.0**25 * torch.randn(63, 3, generator=torch.Generator().manual_seed(0))
    ours, theirs = Total((0, 1, 2)), Total((2, 1, 0))
    assert (ours(lucky)[0], theirs(lucky)[0]) == (1, 0)
    assert ours(lucky)[0] == ours(lucky.double())[0]
    for examples in (torch.cat([lucky, others]), torch.cat([others, lucky])):
        part = Part(ours, {"x": examples}, ("total",))
        assert check_equal("total.pt2", theirs, part) >= 1
        with pytest.raises(UserError, match="nothing written; total is off by"):
            check_equal("total.pt2", lambda x: (theirs(x)[0] + 1000,), part)


def test_a_model_whose_outputs_are_not_finite_is_refused(run: Path) -> None:
    part = parts(load(run))["encoder"]
    with torch.no_grad():
        next(part.network.parameters()).fill_(torch.nan)
        with pytest.raises(UserError, match=r"encoder.pt2: nothing written; the model's own mean is not finite"):
            check_equal("encoder.pt2", part.network, part)


def test_a_missing_extra_is_named_before_the_model_is_loaded(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"onnx and onnxscript: not installed.*pip install 'onnx>=.*' 'onnxscript>="):
        export(configured(run))


def test_a_foreign_part_is_refused_unless_trusted(run: Path) -> None:
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("infovae.likelihoods.bernoulli.Bernoulli", "os.getcwd"))
    with pytest.raises(UserError, match=r"os\.getcwd.*trust=true"):
        export(configured(run))

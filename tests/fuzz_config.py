"""Random overrides of train.py: each must train a step, or be refused in one line. Run by hand, for as long as told.

    PYTHONPATH=src:tests python tests/fuzz_config.py --minutes 60

A finding is an error that nobody foresaw (the command would tell its Python class and point to HYDRA_FULL_ERROR), more
than one line, or 30 seconds without an answer. Each kind is printed once, with the overrides that led to it.
"""

import argparse
import collections
import contextlib
import io
import logging
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from conftest import CONF, Compose, composing
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from infovae.config.messages import one_line
from infovae.training.run import train

SECONDS = 30
MEMORY = 8 * 2**30

BASE = ["data=digits", "network.encoder.hidden=[8]", "network.decoder.hidden=[8]", "logger=none", "latent_dim=2"]
BASE += ["trainer.fast_dev_run=1", "trainer.enable_progress_bar=false", "divergence.hidden=[8]"]

GROUPS = ("model", "divergence", "prior", "posterior", "likelihood", "network", "optimizer", "metrics", "pictures")
GROUPS += ("callbacks", "trainer", "logger", "experiment", "divergence/kernel", "data")
PROCESSES = ("trainer.devices", "trainer.num_nodes", "trainer.strategy")  # would start this script once more
SLOW = {"annealed_importance", "inference_gap", "inception_fid", "ddp_cpu"}  # take long when right, so left out
LOCAL = {"digits", "two_points", "gaussian_mixture_2d", "tensor", "image_folder"}  # nothing to download, and small
OPTIONS = {
    group: sorted(path.stem for path in (CONF / group).glob("*.yaml") if path.stem not in SLOW) for group in GROUPS
}
OPTIONS["data"] = [name for name in OPTIONS["data"] if name in LOCAL]

NUMBERS = """-1 0 1 2 3 0.5 -0.5 1.5 nan inf -inf 1e308 1e-300 1e9 99999999999999999999 -99999999999999999999""".split()
OTHERS = """null true false abc é☃ [] [0] [1,-1] [a] [[1]] [null] {} {a:1} {_target_:os.getcwd} os.system builtins.dict
${seed} ${oc.env:HOME} ${nowhere} ${data} ${data.batch_size} ${..seed} ${ a,b range(1,3) ../x / /dev/null ~""".split()
OTHERS += ["", "''", "'a b'", "'a\nb'", "mean", "all"]

values = st.sampled_from(NUMBERS + OTHERS) | st.integers().map(str) | st.floats().map(str)
values |= st.sampled_from(sorted({option for options in OPTIONS.values() for option in options}))
values |= st.text(max_size=8).map(lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'")


@st.composite
def chosen_options(draw: Callable[..., Any]) -> list[str]:
    groups = draw(st.lists(st.sampled_from(GROUPS), max_size=3, unique=True))
    several = {"metrics", "pictures", "callbacks", "logger"}
    return [
        f"{group}=[{draw(st.sampled_from(OPTIONS[group]))}]" if group in several else
        f"{group}={draw(st.sampled_from(OPTIONS[group]))}"
        for group in groups
    ]  # fmt: skip


def values_by_key(node: dict[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Every key with its value; nodes too, after what is in them."""
    found: dict[str, Any] = {}
    for name, entry in node.items():
        if isinstance(entry, dict):
            found |= values_by_key(entry, f"{prefix}{name}.")
        found[f"{prefix}{name}"] = entry
    return found


def near(value: Any) -> st.SearchStrategy[str]:
    """Values of the same kind, right more often than not."""
    if isinstance(value, bool):
        return st.sampled_from(("true", "false"))
    if isinstance(value, int):
        return st.integers(0, 9).map(str) | st.sampled_from(("-1", "100", "null", "1000000000"))
    if isinstance(value, float):
        return st.floats(0, 2).map(str) | st.sampled_from(("0", "1", "100", "1e-12", "1e12", "-1"))
    if isinstance(value, list):
        return st.lists(st.integers(0, 20).map(str), max_size=3).map(lambda entries: f"[{','.join(entries)}]")
    return st.sampled_from(sorted({option for options in OPTIONS.values() for option in options})) | st.just("null")


class TimeIsUp(KeyboardInterrupt):
    """What Hypothesis lets through."""


class Campaign:
    """Counts what became of the examples, and keeps one of each kind of finding."""

    def __init__(self, compose: Compose, folder: Path, end: float) -> None:
        self.compose = compose
        self.folder = folder
        self.end = end
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.reasons: collections.Counter[str] = collections.Counter()
        self.findings: dict[str, list[str]] = {}

    def example(self, data: st.DataObject) -> None:
        if time.monotonic() > self.end:
            raise TimeIsUp
        options = data.draw(chosen_options())
        keys = self.keys(options)
        changes = [self.change(data, keys) for _ in range(data.draw(st.sampled_from((1, 1, 1, 2, 3))))]
        overrides = [*self.base(options), *options, *changes]
        signal.alarm(SECONDS)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                sys.argv = ["infovae", *overrides]
                self.attempt(overrides)
        finally:
            signal.alarm(0)
            shutil.rmtree(self.folder, ignore_errors=True)

    def base(self, options: list[str]) -> list[str]:
        """Small networks and data, as far as the chosen options have those keys."""
        given = {entry.partition("=")[0] for entry in options}
        dropped = {"network", "experiment"} & given
        base = [entry for entry in BASE if not (dropped and entry.startswith("network."))]
        base = [entry for entry in base if entry.partition("=")[0] not in given]
        critic = any("adversarial" in entry or "density_ratio" in entry for entry in options)
        return [entry for entry in base if critic or not entry.startswith("divergence.hidden")]

    def keys(self, options: list[str]) -> dict[str, Any]:
        try:
            content = OmegaConf.to_container(self.compose(*self.base(options), *options))
        except Exception:  # options that don't go together: their refusal is looked at in the attempt
            return {"seed": 1, "model.alpha": 0.0}
        assert isinstance(content, dict)
        return {key: value for key, value in values_by_key(content).items() if key not in PROCESSES}

    def change(self, data: st.DataObject, keys: dict[str, Any]) -> str:
        leaves = [key for key, value in keys.items() if not isinstance(value, dict) and "_target_" not in key]
        chance = random.Random(data.draw(st.integers(0, 2**64 - 1)))  # uniform, where Hypothesis prefers the first
        key = chance.choice(leaves if chance.random() < 0.9 else list(keys))
        if chance.random() < 0.6:
            return f"{key}={data.draw(near(keys[key]))}"
        match data.draw(st.sampled_from(("", "", "", "", "", "", "", "", "+", "++", "~", "x"))):
            case "~":
                return f"~{key}"
            case "x":
                return f"{key}x={data.draw(values)}"
            case sign:
                return f"{sign}{key}={data.draw(values)}"

    def attempt(self, overrides: list[str]) -> None:
        try:
            train(self.compose(*overrides, run_dir=self.folder))
            self.outcomes["trained"] += 1
        except Exception as error:
            line = one_line(error)
            if "HYDRA_FULL_ERROR" not in line and "\n" not in line:
                self.outcomes["refused"] += 1
                self.reasons[re.sub(r"^\S*: ", "", line)[:40]] += 1
                return
            self.outcomes["finding"] += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
            if kind not in self.findings:
                self.findings[kind] = overrides
                print(f"{kind}: {line[:300]}\n    {overrides}", file=sys.__stdout__, flush=True)


def give_up(*_: Any) -> None:
    raise TimeoutError(f"no answer in {SECONDS} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1)
    minutes = parser.parse_args().minutes
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # what is too large is refused at once, not swapped
    signal.signal(signal.SIGALRM, give_up)
    start = time.monotonic()
    # Some examples draw into the folder they are started in.
    with composing() as compose, tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        campaign = Campaign(compose, Path(folder) / "run", start + 60 * minutes)

        @settings(
            max_examples=10**9, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(st.data())
        def examples(data: st.DataObject) -> None:
            campaign.example(data)

        with contextlib.suppress(TimeIsUp):
            examples()
    count = sum(campaign.outcomes.values())
    print(f"{count} examples in {(time.monotonic() - start) / 60:.0f} minutes: {dict(campaign.outcomes)}")
    print(f"{len(campaign.findings)} kinds of findings; refused most often: {campaign.reasons.most_common(15)}")


if __name__ == "__main__":
    main()

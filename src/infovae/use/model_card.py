"""The model card of a run: a page for the Hugging Face Hub, written from its records."""

import json
import math
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from infovae.evaluation.load import SavedRun
from infovae.terminal.tables import with_error

HEADER = """---
library_name: infovae
tags: [vae, infovae, representation-learning]
---
"""

TERMS = ("elbo", "reconstruction", "rate", "importance_weighted_log_likelihood")
"""Metrics in nats per example, which come first."""


def model_card(saved: SavedRun, address: str, has_samples: bool) -> str:
    """Return a page in Markdown: what the model is, its samples, its measurements and how to load it.

    Args:
        saved: the run.
        address: ``hf://USER/NAME``, or ``zoo://NAME``.
        has_samples: whether ``samples.png`` lies beside the page.
    """
    facts = "\n".join(f"| {name} | {value} |" for name, value in _facts(saved).items())
    condition = saved.module.condition
    told = "" if condition is None else f", torch.zeros(4, {condition.entries or 1})"
    return f"""{HEADER}
# {saved.cfg.get("name") or saved.folder.name}

A variational autoencoder of the InfoVAE family ([arXiv:1706.02262](https://arxiv.org/abs/1706.02262)), trained with
InfoVAE Lab.

{"![Samples: E[x|z] for z from the prior](samples.png)" if has_samples else ""}

| | |
|---|---|
{facts}

## Measurements

{_measurements(saved.folder)}

## Load it

```python
{"import torch" + chr(10) if told else ""}from infovae import load

saved = load("{address}")
samples = saved.module.decode(saved.module.prior.sample(4){told}).mean.numpy()
```

`infovae pull repo={address} output=FOLDER` makes a run folder of it, which `infovae encode`, `generate`, `explore`,
`evaluate` and `export` take as `run=FOLDER`.
"""


def _facts(saved: SavedRun) -> dict[str, Any]:
    cfg = saved.cfg
    point: Any = OmegaConf.to_container(cfg.model, resolve=True)
    numbers = {name.strip("_"): value for name, value in point.items() if name[:1] != "_" and value is not None}
    return {
        "objective": ", ".join(f"{name} = {value}" for name, value in numbers.items()),
        "divergence": _name(cfg.divergence),
        "prior": _name(cfg.prior),
        "posterior": _name(cfg.posterior),
        "likelihood": _name(cfg.likelihood),
        "encoder": _name(cfg.network.encoder),
        "latent dimensions": cfg.latent_dim,
        "trained on": _name(cfg.data.get("source") or cfg.data),
        "shape of an example": " x ".join(map(str, saved.shape)),
        "parameters": f"{sum(parameter.numel() for parameter in saved.module.parameters()):,}",
    }


def _name(node: DictConfig) -> str:
    return f"`{str(node.get('_target_')).rpartition('.')[2]}`"


def _measurements(folder: Path) -> str:
    """Return a table of the run's evaluation, or of its last epoch where it wasn't evaluated."""
    for file, told in (("evaluation.json", "by `infovae evaluate`"), ("summary.json", "at the end of training")):
        try:
            record = json.loads((folder / file).read_text())
            metrics = {name: value for name, value in record["metrics"].items() if _is_number(value)}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        rows = [name for name in metrics if not name.endswith("_standard_error")]
        rows.sort(key=lambda name: (name.partition("/")[0] != "test", name.partition("/")[2] not in TERMS))
        lines = [f"| {name} | {with_error(metrics[name], metrics.get(f'{name}_standard_error'))} |" for name in rows]
        header = "| metric | value ± standard error |\n|---|---|"
        return "\n".join([f"Measured {told}; log-likelihoods are in nats per example.\n", header, *lines])
    return "None are recorded."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)

"""Run folders of small files, as a run leaves them."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

METRICS = ("test/loss", "test/log_det_covariance", "test/mmd", "train/loss")


def write_run(
    folder: Path,
    model: str = "infovae",
    train_size: int = 500,
    seed: int = 1,
    epochs: int = 3,
    summary: dict[str, Any] | None = None,
    pictures: tuple[str, ...] = (),
) -> Path:
    """A run that finished; ``summary`` overrides what its summary.json says."""
    (folder / ".hydra").mkdir(parents=True)
    (folder / "config.yaml").write_text(
        f"seed: {seed}\nlatent_dim: 2\nname: {model}\nrun_dir: {folder}\n"
        f"data:\n  train_size: {train_size}\n  seed: {seed}\n"
        f"callbacks:\n  samples:\n    folder: {folder}/figures\n"
        f"model:\n  lambda_: {100 if model == 'infovae' else 1}\n"
    )
    overrides = [f"model={model}", f"data.train_size={train_size}", f"seed={seed}"]
    tasks = "".join(f"    - {override}\n" for override in overrides)
    (folder / ".hydra" / "hydra.yaml").write_text(
        "hydra:\n  mode: RUN\n  job:\n    name: train\n  overrides:\n    task:\n"
        f"{tasks}  runtime:\n    choices:\n      model: {model}\n"
    )
    final = dict.fromkeys(METRICS, 0.0)
    lines = ["epoch,step,seconds," + ",".join(METRICS)]
    for epoch in range(1, epochs + 1):
        final = {
            name: round(position + 100 / epoch + seed / 10 + 50 / train_size, 6)
            for position, name in enumerate(METRICS)
        }
        lines.append(f"{epoch},{epoch * 4},{epoch * 1.5}," + ",".join(map(str, final.values())))
    (folder / "metrics.csv").write_text("\r\n".join(lines) + "\r\n")
    content = {
        "status": "finished",
        "error": None,
        "wall_seconds": 1.5 * epochs,
        "images_per_second": 1000.0,
        "metrics": {name: value for name, value in final.items() if name.startswith("test/")},
        "command": ["train.py", *overrides],
        "git": {"revision": "0123456789abcdef0123456789abcdef01234567", "changed": False},
    }
    (folder / "summary.json").write_text(json.dumps(content | (summary or {})))
    for picture in pictures:
        (folder / "figures").mkdir(exist_ok=True)
        (folder / "figures" / picture).write_bytes(png(seed))
    return folder


def png(shade: int = 0) -> bytes:
    """A small grey picture."""
    file = BytesIO()
    Image.new("RGB", (8, 8), (shade * 20 % 256,) * 3).save(file, "PNG")
    return file.getvalue()

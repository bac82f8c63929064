"""Train the models that come with the package, and write their folders in src/infovae/zoo/.

Run from the top of a clone: ``python benchmarks/zoo.py``. Eight small networks learn MNIST within minutes on one core.
Their weights are rounded to 16 bits before they are measured.
"""

import sys
import tempfile
from pathlib import Path

import torch
from commands import run
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from infovae.evaluation.load import SavedRun, load
from infovae.runs.checkpoints import SAFETENSORS, read_checkpoint
from infovae.runs.zoo import FOLDER, NAMES
from infovae.use.push import write_model

SETTINGS = [
    "network.encoder.hidden=[80]", "network.decoder.hidden=[80]", "data.batch_size=250", "optimizer.lr=2e-3",
    "trainer.max_epochs=8", "trainer.check_val_every_n_epoch=8", "callbacks=checkpoint", "pictures=[]",
    "logger=none", "trainer.accelerator=cpu", "trainer.enable_progress_bar=false",
]  # fmt: skip
OWN = {"aae": ["divergence.hidden=[64,64]"]}
"""Settings of one model alone: its critic would be as large as the model."""

METRICS = "metrics=[log_det_covariance,mmd,active_units]"
CHECK = "The first 100 test digits, each decoded from the mean of its code, cost {:.2f} nats each."


def main(names: list[str]) -> None:
    """Train, round, measure and write each model."""
    for name in names or NAMES:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / name
            run("train", f"model={name}", f"name={name}", *SETTINGS, *OWN.get(name, []), f"run_dir={folder}")
            round_weights(folder / "checkpoints" / "last.ckpt")
            run("evaluate", f"run={folder}", METRICS, "pictures=[]", "device=cpu")
            write(load(folder), name)


def round_weights(checkpoint: Path) -> None:
    """Round the weights of a checkpoint to numbers that 16 bits can hold."""
    content = read_checkpoint(checkpoint, "checkpoint")
    content["state_dict"] = {
        key: value.half().to(value.dtype) if torch.is_tensor(value) and value.is_floating_point() else value
        for key, value in content["state_dict"].items()
    }
    torch.save(content, checkpoint)


def write(saved: SavedRun, name: str) -> None:
    """Write the folder of a model, its weights in 16 bits, with what a test can compare."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    write_model(saved, f"zoo://{name}", folder)
    path = folder / SAFETENSORS
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    Image.open(folder / "samples.png").convert("L").save(folder / "samples.png", optimize=True)
    weights = {key: value.half() if value.is_floating_point() else value for key, value in load_file(path).items()}
    save_file(weights, path, metadata)
    with (folder / "README.md").open("a", encoding="utf-8") as card:
        card.write(f"\n{CHECK.format(nats_of_first_digits(saved))}\n")


def nats_of_first_digits(saved: SavedRun) -> float:
    """Return -log p(x|E[z|x]) in nats, averaged over the first 100 examples of the test split."""
    x = saved.data.inputs("test")[torch.arange(100)]
    return float(-saved.module.decode(saved.module.encode(x).mean).log_prob(x).mean())


if __name__ == "__main__":
    main(sys.argv[1:])

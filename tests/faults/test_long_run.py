"""Many epochs: memory, open files and the time of a step stay what they were."""

from pathlib import Path
from time import monotonic

import psutil
import pytest
import pytorch_lightning as pl
from conftest import SMALL, Command, Compose

from infovae.training.callbacks.metrics_file import MetricsFile
from infovae.training.run import train

RUN = [
    "data=digits",
    *(override for override in SMALL if not override.startswith("data.root")),
    "latent_dim=2",
    "callbacks.drawing.every_n_epochs=5",
]


class Watched:
    """Memory in bytes and open files after each epoch; the time of its steps in seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.memory: list[int] = []
        self.files: list[int] = []
        self.seconds: list[float] = []
        original, process = MetricsFile.on_train_epoch_end, psutil.Process()

        def measured(callback: MetricsFile, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            original(callback, trainer, module)
            self.memory.append(process.memory_info().rss)
            self.files.append(process.num_fds())
            self.seconds.append(1 / callback.rows[-1]["train/images_per_second"])

        monkeypatch.setattr(MetricsFile, "on_train_epoch_end", measured)


def check_flat(watched: Watched, warm: int) -> None:
    # A drawing's figures take some 75 MB until the next one; before they were freed at once, 100 epochs took 450 MB.
    first, rest = watched.memory[warm], watched.memory[warm:]
    assert max(rest) - first < 150e6
    assert max(watched.files[warm:]) <= max(watched.files[:warm]) + 1


@pytest.mark.slow
def test_memory_and_open_files_stay_flat(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    train(composed(*RUN, "trainer.max_epochs=60", "callbacks.drawing.every_n_epochs=3", run_dir=tmp_path))
    check_flat(watched, warm=15)


@pytest.mark.slow
def test_two_thousand_epochs(
    composed: Compose, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    train(composed(*RUN, "trainer.max_epochs=2000", "logger=wandb_offline", run_dir=tmp_path / "run"))
    check_flat(watched, warm=200)
    # The quickest step of a stretch is hardly moved by other jobs; one that grew with the epochs would double it.
    assert min(watched.seconds[1800:]) < 2 * min(watched.seconds[200:400])
    start = monotonic()
    assert command("dashboard", "runs=run", "output=dashboard.html").returncode == 0
    assert monotonic() - start < 30  # 2.6 s were measured on a busy machine

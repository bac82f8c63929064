"""What train.py is measured against, a worker each, epoch by epoch: bare loops, the tutorial's loop, and pythae.

    python benchmarks/training_workers.py WORKER mlp|conv EXAMPLES [EPOCHS] [--model infovae|vae|aae]

The workers are bare, bare_half, tutorial and pythae.

All train InfoVAE with MMD (alpha = 0, lambda = 100), or the VAE, or the adversarial autoencoder, with 10 latent
dimensions on the same bytes with the same networks, Adam at 1e-3 and batches of 128. Without windows.alternate as its
parent a worker trains EPOCHS and prints its losses.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

import torch
from hydra import compose, initialize_config_dir
from results import ROOT
from torch import Tensor, nn
from torch.nn import functional
from windows import Turn

from infovae.data.loader import EpochOrder
from infovae.data.module import DataModule
from infovae.divergences.critic import CriticDivergence
from infovae.divergences.kernels import Gaussian
from infovae.divergences.mmd import mmd_squared_to_standard_normal
from infovae.module import InfoVAE
from infovae.training.assemble import build_data, build_module

BATCH = 128
ALL = 55000
"""Training images of MNIST beside its validation split."""

VALIDATED = 5000
"""Validation images that train.py holds out by default. A part of the training images gets the same part of these."""

LATENT_DIM = 10
DIVERGENCE_WEIGHT = 99.0
NETWORKS = {
    "mlp": ["network=mlp", "network.encoder.hidden=[400]", "network.decoder.hidden=[400]"],
    "conv": ["network=conv"],
}
"""Overrides of train.py for the networks of reference: 784-400-20-400-784, and the paper's convolutions."""

MODELS = {
    "infovae": ["model=infovae", "divergence=mmd", f"model.lambda_={DIVERGENCE_WEIGHT + 1:.0f}"],
    "vae": ["model=vae"],
    "aae": ["model=aae"],
}
"""Overrides of train.py for the objectives."""


def settings(network: str, examples: int, model: str = "infovae") -> list[str]:
    """Overrides of train.py that every contender keeps to."""
    data = f"data.train_size={examples}", f"data.validation_size={round(VALIDATED * examples / ALL)}"
    return [*MODELS[model], *NETWORKS[network], *data, f"data.root={ROOT / 'data'}"]


def build(network: str, examples: int, model: str = "infovae") -> tuple[DataModule, InfoVAE]:
    """The images and the networks that train.py would start from."""
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        cfg = compose("config", [*settings(network, examples, model), "name=benchmark", "run_dir=nowhere"])
    torch.manual_seed(cfg.seed)
    return (data := build_data(cfg)), build_module(cfg, data)


def pixels(data: DataModule, split: str) -> Tensor:
    """The bytes of a split, (n, 1, 28, 28)."""
    images = data.splits[split].x
    assert isinstance(images, Tensor)
    return images


def bare(network: str, examples: int, epochs: int, model: str, half: bool = False) -> Iterator[float]:
    """One loop and nothing else, over a tensor of bytes on the device, with fused Adam; it draws what train.py draws.

    ``half`` computes in bf16, compiled.
    """
    _check(model, "infovae")
    data, module = build(network, examples)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, module = pixels(data, "train").to(device), module.to(device)
    encoder, decoder, order = module.encoder, module.decoder, EpochOrder(len(images), 1, shuffle=True)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
    kernel, turn = Gaussian(), Turn()

    def loss_of(chosen: Tensor) -> Tensor:
        x = images[chosen].float().div_(255)
        mean, log_variance = encoder(x).float().chunk(2, dim=1)
        z = torch.addcmul(mean, (0.5 * log_variance).exp(), torch.randn_like(mean))
        logits = decoder(z).float()
        reconstruction = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / BATCH
        rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / BATCH
        with torch.autocast(device.type, enabled=False):
            divergence = mmd_squared_to_standard_normal(z, kernel, float(z.shape[1]))
        return reconstruction + rate + DIVERGENCE_WEIGHT * divergence

    step = torch.compile(loss_of, dynamic=False, options={"fallback_random": True}) if half else loss_of
    torch.manual_seed(1 ^ 0x5DEECE66)
    for epoch in range(epochs):
        turn.begin()
        order.set_epoch(epoch)
        steps = len(images) // BATCH
        total = torch.zeros((), device=device)
        for chosen in order.positions()[: steps * BATCH].to(device).split(BATCH):
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                loss = step(chosen)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        yield float(total) / steps
    turn.end()


def usual_mmd(z: Tensor, y: Tensor) -> Tensor:
    """Expand, exponentiate, average: what tutorials do."""

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-(a[:, None] - b[None]).square().mean(dim=2) / 2)

    return kernel(z, z).mean() + kernel(y, y).mean() - 2 * kernel(z, y).mean()


def tutorial(network: str, examples: int, epochs: int, model: str) -> Iterator[float]:
    """torchvision's MNIST through ToTensor and a DataLoader, as the field's tutorials have it."""
    from torchvision.datasets import MNIST
    from torchvision.transforms import ToTensor

    _check(model, "infovae", "vae")
    data, module = build(network, examples, model)
    dataset = MNIST(str(ROOT / "data"), transform=ToTensor())
    dataset.data, dataset.targets = pixels(data, "train").squeeze(1), data.splits["train"].labels
    loader = torch.utils.data.DataLoader(dataset, BATCH, shuffle=True, drop_last=True)
    encoder, decoder = module.encoder, nn.Sequential(module.decoder, nn.Sigmoid())
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    turn = Turn()
    for _ in range(epochs):
        turn.begin()
        total = 0.0
        for x, _ in loader:
            mean, log_variance = encoder(x).chunk(2, dim=1)
            z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            reconstruction = functional.binary_cross_entropy(decoder(z), x, reduction="sum") / len(x)
            rate = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp()) / len(x)
            loss = reconstruction + rate
            if model == "infovae":
                loss = loss + DIVERGENCE_WEIGHT * usual_mmd(z, torch.randn_like(z))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        yield total / len(loader)
    turn.end()


def pythae(network: str, examples: int, epochs: int, model: str) -> Iterator[float]:
    """Its trainers on its INFOVAE_MMD, with the Gaussian kernel, the faster of its two, its VAE and its Adversarial_AE.

    As in its tutorials it evaluates on a validation split after each epoch: the one that train.py has.
    """
    from pythae.data.datasets import BaseDataset
    from pythae.models import INFOVAE_MMD, VAE, Adversarial_AE, Adversarial_AE_Config, INFOVAE_MMD_Config, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
    from pythae.trainers import AdversarialTrainer, AdversarialTrainerConfig, BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    data, module = build(network, examples, model)

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = module.encoder

        def forward(self, x: Tensor) -> ModelOutput:
            mean, *log_variance = self.layers(x).split(LATENT_DIM, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_variance[0] if log_variance else mean)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = module.decoder

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.layers(z).sigmoid())

    class Discriminator(BaseDiscriminator):
        def __init__(self) -> None:
            super().__init__()
            self.layers = cast(CriticDivergence, module.divergence).critic.requires_grad_(True)

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(embedding=self.layers(z).sigmoid())

    losses: list[float] = []
    turn = Turn()

    class Turns(TrainingCallback):
        def on_epoch_begin(self, training_config: BaseTrainerConfig, **given: object) -> None:
            turn.begin()

        def on_log(self, training_config: BaseTrainerConfig, logs: dict[str, float], **given: object) -> None:
            losses.append(logs["train_epoch_loss"])

    def dataset(split: str) -> BaseDataset:
        return BaseDataset(pixels(data, split).float() / 255, data.splits[split].labels)

    shape = {"input_dim": (1, 28, 28), "latent_dim": LATENT_DIM, "reconstruction_loss": "bce"}
    with tempfile.TemporaryDirectory() as folder:
        training = {
            "output_dir": folder, "num_epochs": epochs, "per_device_train_batch_size": BATCH,
            "per_device_eval_batch_size": BATCH, "no_cuda": not torch.cuda.is_available(),
        }  # fmt: skip
        given = dataset("train"), dataset("validation")
        if model == "aae":
            adversarial = Adversarial_AE_Config(**shape, deterministic_posterior=True)
            rates = {"autoencoder_learning_rate": 1e-3, "discriminator_learning_rate": 1e-3}
            trainer = AdversarialTrainer(
                Adversarial_AE(adversarial, Encoder(), Decoder(), Discriminator()), *given,
                AdversarialTrainerConfig(**training, **rates), callbacks=[Turns()],
            )  # fmt: skip
        else:
            weights = {"kernel_choice": "rbf", "alpha": 0, "lbd": DIVERGENCE_WEIGHT + 1}
            parts = Encoder(), Decoder()
            trained = (
                INFOVAE_MMD(INFOVAE_MMD_Config(**shape, **weights), *parts)
                if model == "infovae"
                else VAE(VAEConfig(**shape), *parts)
            )
            config = BaseTrainerConfig(**training, learning_rate=1e-3)
            trainer = BaseTrainer(trained, *given, config, callbacks=[Turns()])
        trainer.train()
    turn.end()
    yield from losses


def _check(model: str, *known: str) -> None:
    if model not in known:
        raise SystemExit(f"--model {model}: this worker trains {', '.join(known)}")


WORKERS: dict[str, Callable[[str, int, int, str], Iterator[float]]] = {
    "bare": bare, "bare_half": partial(bare, half=True), "tutorial": tutorial, "pythae": pythae,
}  # fmt: skip


def main() -> None:
    """Train as one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worker", choices=WORKERS)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("examples", type=int)
    parser.add_argument("epochs", type=int, nargs="?", default=1000)
    parser.add_argument("--model", choices=MODELS, default="infovae")
    arguments = parser.parse_args()
    train = WORKERS[arguments.worker]
    losses = train(arguments.network, arguments.examples, arguments.epochs, arguments.model)
    for epoch, loss in enumerate(losses):
        print(f"epoch {epoch + 1}: loss {loss:.4f}", flush=True)


if __name__ == "__main__":
    main()

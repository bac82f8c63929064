"""Train one run, or several with -m.

python train.py model=infovae divergence=mmd
python train.py -m model=vae,infovae data.train_size=500,5000
python train.py --help
"""

from omegaconf import DictConfig

from infovae.app import cli


def main(cfg: DictConfig) -> float:
    """One run; its final test loss in nats per example, which sweepers minimise."""
    # Imported here: --help and --cfg answer without waiting for torch.
    from infovae.training.run import train

    return train(cfg)["test/loss"]


if __name__ == "__main__":
    cli.run(main)

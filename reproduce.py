"""Make the paper's figures again.

python reproduce.py figure=two_points
python reproduce.py figure=all hydra/launcher=joblib
python reproduce.py --help
"""

from omegaconf import DictConfig

from infovae.app import cli


def main(cfg: DictConfig) -> None:
    """Train what is missing of the figures that the config names, and draw them."""
    # Imported here: --help and --cfg answer without waiting for torch.
    from infovae.reproduction.command import reproduce

    reproduce(cfg)


if __name__ == "__main__":
    cli.run(main, "reproduce")

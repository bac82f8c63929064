"""Measure what a trained model's latent code is worth.

python evaluate.py run=outputs/DATE/TIME-infovae-mmd
python evaluate.py run=[RUN,RUN] split=validation
python evaluate.py --help
"""

from omegaconf import DictConfig

from infovae.app import cli


def main(cfg: DictConfig) -> None:
    """Evaluate the models that the config names."""
    # Imported here: --help and --cfg answer without waiting for torch.
    from infovae.evaluation.run import evaluate

    evaluate(cfg)


if __name__ == "__main__":
    cli.run(main, "evaluate")

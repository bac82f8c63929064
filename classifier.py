"""Train the classifier whose features and classes judge samples, once per data set.

python classifier.py data=mnist
python classifier.py data=cifar10 steps=10000 data.augmentation.binarized=0
python classifier.py --help
"""

from omegaconf import DictConfig

from infovae.app import cli


def main(cfg: DictConfig) -> None:
    """Train the data set's classifier, unless it is there."""
    # Imported here: --help and --cfg answer without waiting for torch.
    from infovae.training.classifier import train_classifier

    train_classifier(cfg)


if __name__ == "__main__":
    cli.run(main, "classifier")

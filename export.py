"""Write a trained model's encoder and decoder as torch.export programs and ONNX.

python export.py run=outputs/DATE/TIME-infovae-mmd
python export.py --help
"""

from omegaconf import DictConfig

from infovae.app import cli


def main(cfg: DictConfig) -> None:
    """Export the model that the config names."""
    # Imported here: --help and --cfg answer without waiting for torch.
    from infovae.evaluation.export import export

    export(cfg)


if __name__ == "__main__":
    cli.run(main, "export")

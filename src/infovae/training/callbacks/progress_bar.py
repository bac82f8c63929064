"""The progress bar."""

from pytorch_lightning.callbacks import RichProgressBar


class ProgressBar(RichProgressBar):
    """Lightning's progress bar, with epochs counted from 1."""

    def _get_train_description(self, current_epoch: int) -> str:
        epochs = self.trainer.max_epochs
        described = f"Epoch {current_epoch + 1}" + ("" if epochs in (None, -1) else f"/{epochs}")
        # As long as the other description, so that the bar doesn't jump.
        return described.ljust(len(self.validation_description))

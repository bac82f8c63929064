"""Silence for notices that a user can do nothing about, each by its own text."""

import logging
import warnings

from infovae.parallel import is_first_process

NO_NEWS = (
    "Tip: For seamless cloud",
    "GPU available: False",
    "TPU available: False",
    "`Trainer.fit` stopped: `max_epochs",
    "Found current_model_state in the checkpoint",  # of a run that averages its weights
    "No CUDA runtime is found",  # torch, compiling without a GPU
)
"""Beginnings of log lines, of Lightning or torch, that tell a user nothing."""

WARNINGS = (
    r"Using ModelCheckpoint with manual optimization",  # which this is in name alone: weights are those after a step
    r"The number of training batches .* is smaller than the logging interval",
    r"Checkpoint directory .* exists and is not empty",  # a resumed run's is
    r"The dirpath has changed from",  # of a run that another folder's checkpoint starts
    r"Found \d+ module\(s\) in eval mode at the start of training",  # those that are to stay as they are
    r"It is recommended to use `self.log\(.*sync_dist=True",  # epoch averages are the same on all processes already
)


def quieten() -> None:
    """Silence what is no news; on all processes but the first also warnings and log lines."""
    for text in WARNINGS:
        warnings.filterwarnings("ignore", message=text)
    for name in ("pytorch_lightning.utilities.rank_zero", "torch.utils.cpp_extension"):
        logging.getLogger(name).addFilter(_is_news)
    # On a full disk logging prints a traceback, 11 lines at the least, for each line that it can't write to a log file.
    logging.raiseExceptions = False
    if not is_first_process():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    return not any(text in record.getMessage() for text in NO_NEWS)

"""Which step is the last of its epoch."""

import pytorch_lightning as pl


def is_last_step(trainer: pl.Trainer) -> bool:
    """Return whether the epoch takes no further step: after its last batch, or where the run ends within it."""
    loop = trainer.fit_loop
    return loop.epoch_loop._is_training_done or (trainer.should_stop and loop._can_stop_early)

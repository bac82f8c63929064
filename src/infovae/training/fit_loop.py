"""The loop over the epochs."""

from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.trainer.call import _call_callback_hooks, _call_lightning_module_hook


class FitLoop(_FitLoop):
    """Lightning's loop; a run that goes on with no epoch left to train begins and ends as others do.

    Lightning would return at once. The model would keep the weights of the last step, whatever a callback decides for
    the end, and a run that was killed just before its end would never get its last pictures.
    """

    def run(self) -> None:
        self.setup_data()
        if not self.done:
            super().run()
            return
        self.on_run_start()
        # Not by those that write checkpoints: the file is there, and the weights are no longer those of the last step.
        _call_callback_hooks(self.trainer, "on_train_end", monitoring_callbacks=False)
        _call_lightning_module_hook(self.trainer, "on_train_end")

    def _iteration_based_training(self) -> bool:
        # With max_steps, Lightning takes a checkpoint of an epoch's end for one within the epoch, and ends that twice.
        return False

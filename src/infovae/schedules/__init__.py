"""Weights of the objective that move during training. One file per option of `conf/schedule/`."""

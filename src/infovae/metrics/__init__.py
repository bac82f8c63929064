"""Measurements of q(z). One file per metric, named by ``conf/metrics/``.

Each is a torchmetrics metric: it accumulates over global batches of codes, and gives a dictionary of named numbers.
"""

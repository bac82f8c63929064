"""Measurements of q(z). A file a metric, named by ``conf/metrics/``; pure functions first.

Each is a torchmetrics metric: it accumulates over batches of codes, reduces over ranks, and gives a
dictionary of named numbers.
"""

"""Measurements of q(z). A file a metric, named by ``conf/metrics/``; pure functions first.

Each is a torchmetrics metric: it accumulates over global batches of codes, and gives a dictionary of named numbers.
"""

"""Data sets: one file for each set of ``conf/data/``, and the data module that serves any of them.

A set is a function that returns :class:`infovae.data.examples.DataSet`.
"""

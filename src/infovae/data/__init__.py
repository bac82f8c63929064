"""Data sets. One file per set, named by ``conf/data/``, and the module that serves them.

A set is a function that gives :class:`infovae.data.images.ImageSets`.
"""

"""Data sets. A file a set, named by ``conf/data/``, beside the module that serves any of them.

A set is a function that gives :class:`infovae.data.images.ImageSets`.
"""

"""Encoders and decoders. One file per option of ``conf/network/``, and their building blocks.

An encoder takes ``(shape, outputs, **its own settings)`` and maps (n, c, h, w) to (n, outputs). A decoder takes
``(latent_dim, shape, parameters_per_channel, **its own settings)`` and builds p(x|z); see decoder.py. The
likelihood sets ``parameters_per_channel``.
"""

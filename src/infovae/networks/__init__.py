"""Encoders and decoders. A file an option of ``conf/network/``, and what the larger ones are made of.

An encoder takes ``(image_shape, outputs, **its own settings)`` and maps (n, c, h, w) to (n, outputs).
A decoder takes ``(latent_dim, image_shape, parameters_per_channel, **its own settings)``, where the likelihood says how
many parameters that is, and makes p(x|z); see decoder.py.
"""

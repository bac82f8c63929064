"""Encoders and decoders. A file an option of ``conf/network/``.

An encoder takes ``(image_shape, outputs, **its own settings)`` and maps (n, c, h, w) to (n, outputs).
A decoder takes ``(latent_dim, output_shape, **its own settings)`` and maps (n, d) to (n, *output_shape),
where the likelihood decides how many channels ``output_shape`` has.
"""

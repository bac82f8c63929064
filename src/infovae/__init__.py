"""InfoVAE Lab: one objective, and measurements of what its latent code is worth."""

__version__ = "0.1.0"

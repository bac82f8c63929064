"""Hydra's sweepers, as ``conf/hydra/sweeper/`` names them; Hydra looks for them in no other package."""

"""Priors p(z). One file per option of ``conf/prior/``."""

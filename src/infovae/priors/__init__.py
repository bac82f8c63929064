"""Priors p(z). A file an option of ``conf/prior/``."""

"""Divergences D(q(z) || p(z)). One file per family, named by ``conf/divergence/``."""

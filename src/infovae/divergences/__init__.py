"""Divergences D(q(z) || p(z)). A file a family, named by ``conf/divergence/``; pure functions first."""

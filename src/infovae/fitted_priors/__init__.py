"""Priors fitted to the codes of a trained model. One file per option of ``conf/fitted_prior/``."""

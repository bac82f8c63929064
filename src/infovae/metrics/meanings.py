"""What a number says: its ideal, which way is better, and how to read it. Plain data, for tables and the dashboard."""

import re
from typing import Literal, NamedTuple

Better = Literal["lower", "higher", "nearer"]


class Meaning(NamedTuple):
    """How to read a metric.

    Attributes:
        better: the direction, where ``nearer`` is nearer to the ideal; None where neither is better by itself.
        ideal: the value to wish for, under the prior N(0, I) where the prior matters; None where there is no such.
        about: what the number is, in a few words.
    """

    better: Better | None = None
    ideal: float | None = None
    about: str = ""


MEANINGS = {
    "loss": Meaning("lower", None, "the objective that was trained"),
    "reconstruction": Meaning("lower", None, "-log p(x|z)"),
    "rate": Meaning(None, None, "KL(q(z|x) || p(z))"),
    "divergence": Meaning("lower", 0, "D of the loss: compare runs of the same divergence by it"),
    "elbo": Meaning("higher", None, "-(reconstruction + rate)"),
    "log_det_covariance": Meaning("nearer", 0, "q(z) is wider than N(0, I) above 0, narrower below"),
    "prior_log_det_covariance": Meaning(None, None, "log det Cov[p(z)], the ideal of log_det_covariance"),
    "sampled_log_det_covariance": Meaning("nearer", 0, "the same from samples of q(z)"),
    "mmd": Meaning("lower", 0, "q(z) against p(z), alike in every run: compare any two by it"),
    "mmd_standardized": Meaning("nearer", 0, "MMD in units of its noise"),
    "mutual_information": Meaning("higher", None, "I(x; z)"),
    "mmd_p_value": Meaning(None, None, "P of an MMD so large if q(z) = p(z): small only if they differ"),
    "mutual_information_bound": Meaning(None, None, "log N, the most that mutual_information can be"),
    "mutual_information_leave_one_out": Meaning("higher", None, "upper estimate of I(x; z)"),
    "aggregate_kl": Meaning("lower", 0, "KL(q(z) || p(z))"),
    "aggregate_kl_leave_one_out": Meaning("lower", 0, "lower estimate of KL(q(z) || p(z))"),
    "total_correlation": Meaning("lower", 0, "dependence between dimensions of z"),
    "dimension_wise_kl": Meaning("lower", 0, "sum of KL(q(z_k) || p(z_k))"),
    "active_units": Meaning("higher", None, "dimensions of z that x moves"),
    "between_class_variance": Meaning(None, None, "share of Cov[z] between the means of classes"),
    "covariance_smallest_eigenvalue": Meaning("nearer", 1, "of Cov[q(z)]"),
    "covariance_largest_eigenvalue": Meaning("nearer", 1, "of Cov[q(z)]"),
    "covariance_condition_number": Meaning("lower", 1, "of Cov[q(z)]"),
    "importance_weighted_log_likelihood": Meaning("higher", None, "lower bound of log p(x)"),
    "importance_weighted_log_likelihood_pareto_k": Meaning("lower", None, "trust the bound below 0.7"),
    "annealed_log_likelihood": Meaning("higher", None, "lower bound of log p(x), without the encoder"),
    "simulated_gap": Meaning("lower", 0, "how much annealed_log_likelihood may lack"),
    "squared_error": Meaning("lower", 0, "||x - E[x|z]||^2"),
    "squared_error_of_mean_code": Meaning("lower", 0, "the same at z = E[z|x]"),
    "classifier_accuracy": Meaning(None, None, "of the judge of samples, on test images"),
    "class_mismatch": Meaning("lower", 0, "classes of samples against those of the data"),
    "class_mismatch_l1": Meaning("lower", 0, "the same, absolute"),
    "frechet_distance": Meaning("lower", 0, "samples against data, in features of a classifier"),
    "kernel_distance": Meaning("lower", 0, "the same, unbiased"),
    "precision": Meaning("higher", 1, "samples that look like data"),
    "recall": Meaning("higher", 1, "data that samples cover"),
    "density": Meaning("higher", 1, "as precision, robust to outliers"),
    "coverage": Meaning("higher", 1, "as recall, robust to outliers"),
    "mig": Meaning("higher", 1, "mutual information gap"),
    "dci_disentanglement": Meaning("higher", 1, "a dimension, one factor"),
    "dci_completeness": Meaning("higher", 1, "a factor, one dimension"),
    "dci_error": Meaning("lower", 0, "error of the forests"),
    "sap": Meaning("higher", 1, "lead of the best dimension for a factor"),
    "factor_vae_score": Meaning("higher", 1, "accuracy of a majority vote"),
    "beta_vae_score": Meaning("higher", 1, "accuracy of a linear classifier"),
    "linear_probe_error": Meaning("lower", 0, "error of logistic regression on E[z|x]"),
    "linear_probe_information": Meaning("higher", None, "lower bound of I(class; E[z|x])"),
    "sampled_linear_probe_error": Meaning(None, None, "error of logistic regression on z; chance if z needn't know"),
    "sampled_linear_probe_information": Meaning(None, None, "lower bound of I(class; z)"),
    "classifier_error": Meaning("lower", 0, "error of q(y|x)"),
    "log_evidence": Meaning("higher", None, "log p(x)"),
    "inference_gap": Meaning("lower", 0, "KL(q(z|x) || p(z|x))"),
    "inception_fid": Meaning("lower", 0, "samples against data, in features of Inception"),
    "images_per_second": Meaning("higher"),
    "wall_seconds": Meaning("lower"),
}
"""By the name of the metric, without its split. Metrics that aren't here have no ideal and no direction."""


FAMILIES = {
    "_bits_per_dimension": Meaning("lower", None, "the same per entry of x, in bits"),
    "_labels": Meaning("lower", 0, "error of a classifier on z that saw so many labels"),
}
"""By how names end that hold a number or another metric's name."""


def of_prior(name: str) -> str:
    """Return the name of the prior's own number, which is the ideal of q(z)'s.

    log det Cov alone has one, and not under N(0, I), whose ideals are those above.
    """
    split, slash, number = name.rpartition("/")
    return f"{split}{slash}prior_{number.removeprefix('sampled_')}"


def meaning(name: str) -> Meaning:
    """Return how to read a metric, by its name with or without splits before it."""
    name = re.sub("^((?:sampled_)?linear_probe_[a-z]+)_of_.*", r"\1", name.rpartition("/")[2])  # of a further label
    families = (meaning for ending, meaning in FAMILIES.items() if name.endswith(ending))
    if name.startswith("real_"):
        return Meaning(None, None, f"{name.removeprefix('real_')} of real images in place of samples")
    return MEANINGS.get(name) or next(families, Meaning())

"""Tables that come with scikit-learn, for quick tries without a network."""

from collections.abc import Callable
from typing import Any

import torch
from sklearn import datasets

from infovae.data.examples import DataSet, Examples
from infovae.data.splits import hold_out
from infovae.data.values import TableValues


def breast_cancer(test_fraction: float = 0.2, test_seed: int = 1) -> DataSet:
    """Return 569 tumours: 30 numbers of each, and 2 classes (Street, Wolberg, Mangasarian 1993, UCI)."""
    return _table(datasets.load_breast_cancer, test_fraction, test_seed)


def wine(test_fraction: float = 0.2, test_seed: int = 1) -> DataSet:
    """Return 178 wines: 13 numbers of each, and 3 classes (Aeberhard, Forina 1991, UCI)."""
    return _table(datasets.load_wine, test_fraction, test_seed)


def diabetes(test_fraction: float = 0.2, test_seed: int = 1) -> DataSet:
    """Return 442 patients: 10 numbers of each; the disease's progress is the condition column (Efron et al. 2004)."""
    return _table(datasets.load_diabetes, test_fraction, test_seed)


def _table(load: Callable[[], Any], test_fraction: float, test_seed: int) -> DataSet:
    bundled = load()
    x, target = torch.from_numpy(bundled.data).float(), torch.from_numpy(bundled.target)
    if "target_names" in bundled:
        examples = Examples(x, target.long(), classes=tuple(map(str, bundled.target_names)))
    else:
        examples = Examples(x, torch.zeros(len(x), dtype=torch.int64), conditions=target.float()[:, None])
    return hold_out(examples, test_fraction, test_seed)._replace(
        values=TableValues(list(map(str, bundled.feature_names)))
    )

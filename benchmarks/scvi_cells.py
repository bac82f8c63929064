"""VAE and InfoVAE of counts of genes in real cells, against scVI (Lopez et al. 2018) on the same cells.

    pip install scvi-tools scanpy
    python benchmarks/scvi_cells.py docs/results

Adds rows to any_data.csv. The data are 700 blood cells by 765 genes that scanpy ships, normalised, and from which the
counts are found again: in a cell all normalised counts are multiples of the smallest. All models have 10 latent
dimensions, one hidden layer of 128, the same likelihood given the observed library size, and the same held-out cells.
"""

import warnings
from collections.abc import Iterator

import anndata
import numpy as np
import scanpy
import scvi
import torch
from any_data import Row, command_line, likelihoods, mean_of, saved_array

from infovae.data.numbers import counts
from infovae.data.splits import fixed_cut

SETTINGS = (
    "likelihood=library_negative_binomial latent_dim=10 network.encoder.hidden=[128] network.decoder.hidden=[128] "
    "optimizer.lr=1e-3 data.batch_size=128 data.steps_per_epoch=50"
)


def recovered_counts() -> np.ndarray:
    """Return the counts, (cells, genes), behind log(1 + normalised counts)."""
    normalised = np.expm1(scanpy.datasets.pbmc68k_reduced().raw.X.toarray().astype(np.float64))
    smallest = np.where(normalised > 0, normalised, np.inf).min(axis=1, keepdims=True)
    multiples = normalised / smallest
    assert np.quantile(np.abs(multiples - multiples.round()), 0.999) < 0.05
    return multiples.round().astype(np.int32)


def cells() -> Iterator[Row]:
    """Yield log p(x | library size) of held-out cells."""
    path = saved_array("cells", recovered_counts())
    yield from likelihoods("cells", f"data=counts data.path={path} {SETTINGS} trainer.max_epochs=10")[0]
    x = np.load(path)
    train, test = fixed_cut(len(x), 0.1, 1)  # as data=counts cuts it
    assert torch.equal(counts(str(path)).test.x[torch.arange(len(test))], torch.from_numpy(x)[test])
    data = anndata.AnnData(x.astype(np.float32))
    scvi.settings.seed = 1
    learned, held_out = data[train.numpy()].copy(), data[test.numpy()].copy()
    scvi.model.SCVI.setup_anndata(learned)
    for dispersion in ("gene-cell", "gene"):
        model = scvi.model.SCVI(learned, n_latent=10, gene_likelihood="nb", dispersion=dispersion)
        model.train(
            max_epochs=200, early_stopping=True, train_size=0.9, plan_kwargs={"n_epochs_kl_warmup": 50},
            accelerator="cpu", enable_progress_bar=False,
        )  # fmt: skip
        found = model.get_marginal_ll(held_out, n_mc_samples=300, return_mean=False)
        yield ("cells", f"scvi, dispersion={dispersion}", "log_likelihood", *mean_of(torch.as_tensor(found).double()))


if __name__ == "__main__":
    warnings.filterwarnings("ignore", module="scvi|anndata|lightning")
    command_line(__doc__, {"cells": cells})

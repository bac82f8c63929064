"""Train a classifier and measure its accuracy."""

import itertools
from collections.abc import Iterable, Iterator

import torch
from torch.nn import functional

from infovae.classifier.network import Classifier
from infovae.data.loader import Batch
from infovae.data.module import DataModule
from infovae.terminal.progress import progress


def endless(data: DataModule) -> Iterator[Batch]:
    """Yield training batches, epoch after epoch, each epoch in another order."""
    loader = data.train_dataloader()
    for epoch in itertools.count():
        loader.sampler.set_epoch(epoch)
        yield from loader


def fit_classifier(
    classifier: Classifier,
    data: DataModule,
    steps: int,
    learning_rate: float,
) -> None:
    """Minimise the cross-entropy with AdamW under a one-cycle schedule; leave the classifier in evaluation mode.

    Args:
        classifier: trained in place.
        data: the data set, whose training split is used.
        steps: optimiser steps.
        learning_rate: at the schedule's peak.
    """
    device = next(classifier.parameters()).device
    classifier.to(memory_format=torch.channels_last)  # a quarter less time on a CPU
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    classifier.train()
    for _, batch in zip(progress(range(steps), "training the classifier"), endless(data), strict=False):
        images = batch.x.to(device, memory_format=torch.channels_last)
        loss = functional.cross_entropy(classifier(images), batch.labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    classifier.eval()


@torch.no_grad()
def accuracy(classifier: Classifier, batches: Iterable[Batch]) -> float:
    """Return the share of images that are classified correctly."""
    device = next(classifier.parameters()).device
    right = count = 0
    for batch in batches:
        chosen = classifier(batch.x.to(device)).argmax(dim=1).cpu()
        right += int((chosen == batch.labels.cpu()).sum())
        count += len(chosen)
    return right / count

"""A model as the `explore` page sees it: a map of codes, and images for codes and codes for images."""

import base64
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.conditions.labels import Labels
from infovae.data.module import DataModule
from infovae.errors import ArgumentError
from infovae.evaluation.load import SavedRun
from infovae.exact import exact
from infovae.model import Model, given
from infovae.pictures.canvas import CLASS_COLOURS
from infovae.pictures.column_map import column_map
from infovae.pictures.tiles import as_images, limits_of
from infovae.streams import isolated_stream
from infovae.use.columns import example_columns
from infovae.use.encode import Encoded, encoded
from infovae.use.found import Found, lowest
from infovae.use.own_images import prepared
from infovae.use.pixels import png

PRIOR_DRAWS = 1000
"""Points of the map where there are no examples."""

NEIGHBOURS = 8


class Explored:
    """A model and the examples that its map shows. One request at a time uses the model.

    Args:
        saved: the run.
        data: gives the examples; None: the map shows draws of the prior.
        splits: the splits to show; none without data.
        points: the most examples to show of each split, chosen at random.
        seed: of that choice, and of the draws.
        condition: of a conditional model; see :func:`infovae.use.encode.encoded`.
    """

    def __init__(
        self,
        saved: SavedRun,
        data: DataModule | None,
        splits: Sequence[str],
        points: int,
        seed: int,
        condition: Float[Tensor, "1 k"] | None = None,
    ) -> None:
        self.saved, self.data, self.seed = saved, data, seed
        self._lock = threading.Lock()
        self.batches: list[Encoded] = []
        generator = torch.Generator().manual_seed(seed)
        for split in splits:
            assert data is not None
            part = data.splits[split]
            data.splits[split] = part.take(torch.randperm(len(part.x), generator=generator)[:points].sort().values)
        for split in splits:  # now that all are cut: the first to be read has them all served
            assert data is not None
            self.batches += encoded(saved, data, split, condition)
        with isolated_stream(saved.module.device, seed):
            draws = saved.module.prior.sample(PRIOR_DRAWS)
        self.condition = condition
        if condition is None and saved.module.condition is not None:
            self.condition = saved.module.condition.stand_in()
        self.codes = torch.cat([batch.mean for batch in self.batches]) if self.batches else draws
        with torch.no_grad():
            seen = [batch.x for batch in self.batches] or [self._given(None).decode(draws).mean]
        self.limits = limits_of(torch.cat(seen))

    def described(self) -> dict[str, Any]:
        """Return what the page shows of the model, as JSON can hold it."""
        labels = [label for batch in self.batches for label in batch.labels.tolist()]
        classes = list(self.data.class_names) if self.data else []
        codes = exact(self.codes).cpu()
        centre = codes.mean(dim=0)
        # The rows of Vh are the directions in which the codes vary, the widest first.
        axes = torch.linalg.svd(codes - centre, full_matrices=False).Vh[: 2 if self.batches else 0]
        reach = codes.abs().amax(dim=0).clamp(min=3.0)
        return {
            "name": str(self.saved.cfg.get("name") or self.saved.folder.name),
            "folder": str(self.saved.folder),
            "conditioned": isinstance(self.saved.module.condition, Labels),
            "needs_class": getattr(self.saved.module.condition, "dropout", 1.0) == 0,
            "codes": _rounded(codes),
            "labels": labels,
            "classes": classes,
            "colours": list(CLASS_COLOURS),
            "examples": [str(name) for batch in self.batches for name in batch.names],
            "centre": _rounded(centre),
            "axes": _rounded(axes),
            "reach": _rounded(reach),
            "spread": _rounded(codes.std(dim=0, correction=0)),
        }

    def decode(self, z: Float[Tensor, "1 d"], label: int | None = None) -> bytes:
        """Return E[x|z] of a code as a PNG file; of a model with ``condition=labels``, E[x|z, label].

        Raises:
            ArgumentError: the model has no such class.
        """
        model = self._given(label)
        with self._lock, torch.no_grad(), isolated_stream(self.saved.module.device, self.seed):
            mean = model.decode(z.to(self.saved.module.device)).mean[0]
        return self._png(mean)

    def draw(self) -> list[float]:
        """Return a code of the prior."""
        with self._lock:
            z: list[float] = self.saved.module.prior.sample(1)[0].tolist()
        return z

    def example(self, position: int) -> bytes | None:
        """Return an example of the map as a PNG file; None if there is none at this position."""
        for batch in self.batches:
            if 0 <= position < len(batch.x):
                return self._png(batch.x[position])
            position -= len(batch.x)
        return None

    def _png(self, x: Float[Tensor, "c *s"]) -> bytes:
        """Return a picture of an example: of a row of a table, the columns' names and what they hold."""
        values = self.saved.description.values
        if columns := example_columns(values, values.from_model(x[None])):
            with self._lock:  # matplotlib's settings belong to the whole process
                return png(torch.from_numpy(column_map(columns, [""])).permute(2, 0, 1) / 255)
        return png(as_images(x[None], self.limits)[0])

    def _given(self, label: int | None) -> Model:
        """Return the model under a class; if there is none, under the typed condition, or what stands in for it."""
        module = self.saved.module
        if label is None:
            return given(module, self.condition)
        if not isinstance(module.condition, Labels) or label >= module.condition.classes:
            raise ArgumentError("label", label, "a class of a model with condition=labels")
        return given(module, torch.tensor([[float(label)]], device=module.device))

    def look(self, file: bytes, label: int | None = None) -> dict[str, Any]:
        """Return what the model makes of an image file: its code, the reconstruction, and the nearest examples.

        Raises:
            ArgumentError: the file can't be read as an image, or the model has no such class.
        """
        with tempfile.NamedTemporaryFile() as place:
            place.write(file)
            place.flush()
            try:
                x = prepared(self.saved, [place.name])
            except ArgumentError as error:
                why = error.why if "the model is of" in error.why else "can't be read as an image"
                raise ArgumentError("image", ..., error.accepted, why) from error
        with self._lock, torch.no_grad():
            posterior = self._given(label).encode(x)
        found: list[Found] = []
        for batch in self.batches:
            distances = (batch.mean - posterior.mean).norm(dim=1)
            found = lowest(found, batch, distances, NEIGHBOURS)
        classes = self.data.class_names if self.data else ()
        return {
            "mean": posterior.mean[0].tolist(),
            "deviation": posterior.variance[0].sqrt().tolist(),
            "prepared": _url(self._png(x[0])),
            "reconstruction": _url(self.decode(posterior.mean, label)),
            "neighbours": [
                {
                    "image": _url(self._png(entry.x)),
                    "title": f"{entry.name}, {classes[entry.label]}, {entry.score:.3g} away",
                }
                for entry in found
            ],
        }


def _rounded(values: Tensor) -> Any:
    return values.mul(1e4).round().div(1e4).tolist()


def _url(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"

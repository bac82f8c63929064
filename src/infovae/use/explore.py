"""The `explore` command: serve a page in which one moves through the codes of a model, or of two side by side."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from importlib.resources import files
from typing import Annotated, Any, cast

import numpy as np
import torch
from omegaconf import DictConfig, ListConfig
from pydantic import Field

from infovae.dashboard.local_server import LocalHandler, LocalServer
from infovae.dashboard.page import content_security_policy, in_our_colours, json_block, safe_json
from infovae.errors import ArgumentError, UserError
from infovae.evaluation.load import SavedRun
from infovae.use.encode import EXAMPLES, examples
from infovae.use.explored import Explored
from infovae.use.opened import opened_runs

LARGEST_FILE = 64 * 2**20
"""Bytes of an image that a browser may send."""

ASSETS = files("infovae.use") / "assets"


def explore(cfg: DictConfig) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        UserError: the config, a run or the data are refused, or the address can't be used.
    """
    own = {
        "run": str | list[str] | None,
        "points": Annotated[int, Field(ge=1)],
        "host": str,
        "port": Annotated[int, Field(ge=0, lt=2**16)],
    }
    if isinstance(cfg.run, ListConfig) and len(cfg.run) > 2:
        accepted = "a run's folder, or two of them side by side, as run=[FOLDER,FOLDER]"
        raise UserError(f"{len(cfg.run)} runs", key="run", value=f"[{','.join(map(str, cfg.run))}]", accepted=accepted)
    runs = opened_runs(cfg, {**EXAMPLES, **own})
    with ExploreServer([_explored(saved, cfg) for saved in runs], cfg.host, cfg.port) as server:
        print(f"{' and '.join(str(saved.folder) for saved in runs)} at {server.url} (Ctrl-C ends)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended")


class ExploreServer(LocalServer):
    """Serve the page of one model or two.

    Args:
        models: what the page shows.
        host: the address to listen on.
        port: the port; 0 takes any free one.

    Raises:
        UserError: the address can't be listened on.
    """

    def __init__(self, models: Sequence[Explored], host: str = "127.0.0.1", port: int = 0) -> None:
        self.models = models
        script = (ASSETS / "explore.js").read_text(encoding="utf-8")
        parts = {
            "style": in_our_colours((ASSETS / "explore.css").read_text(encoding="utf-8")),
            "data": json_block("described", safe_json([model.described() for model in models])),
            "script": f"<script>{script}</script>",
        }
        page = (ASSETS / "explore.html").read_text(encoding="utf-8")
        self.content = re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], page).encode()
        super().__init__(host, port, content_security_policy([script]), ExploreHandler)


class ExploreHandler(LocalHandler):
    """Answer the page's questions: decode a code, draw one, look at an image, show an example."""

    def do_GET(self) -> None:  # noqa: N802, the name that http.server calls
        url, server = self.url, cast(ExploreServer, self.server)
        example = re.fullmatch(r"/([01])/example/([0-9]{1,9})", url.path)
        draw = re.fullmatch(r"/([01])/draw", url.path)
        if url.path == "/":
            self.answer("text/html; charset=utf-8", server.content)
        elif draw and (model := self._model(draw[1])):
            self._json(model.draw())
        elif example and (model := self._model(example[1])) and (content := model.example(int(example[2]))):
            self.answer("image/png", content)
        else:
            self.refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:  # noqa: N802, the name that http.server calls
        asked = re.fullmatch(r"/([01])/(decode|look)", self.url.path)
        label = re.fullmatch(r"label=([0-9]{1,9})", self.url.query)
        model = asked and self._model(asked[1])
        length = self.headers.get("Content-Length", "")
        # A page from elsewhere may post here too: its browser says where it comes from.
        origin = self.headers.get("Origin")
        if origin is not None and origin != f"http://{self.headers.get('Host')}":
            self._close(HTTPStatus.FORBIDDEN)
        elif not asked or not model:
            self._close(HTTPStatus.NOT_FOUND)
        elif not re.fullmatch(r"[0-9]{1,12}", length) or int(length) > LARGEST_FILE:
            self._close(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            content = self.rfile.read(int(length))
            answer = self._decode if asked[2] == "decode" else self._look
            answer(model, content, int(label[1]) if label else None)

    def _decode(self, model: Explored, content: bytes, label: int | None) -> None:
        """Answer the entries of a code, each of 4 bytes, with its image."""
        dimensions = model.codes.shape[1]
        if len(content) != 4 * dimensions:
            self.refuse(HTTPStatus.BAD_REQUEST)
            return
        z = torch.from_numpy(np.frombuffer(content, "<f4").astype(np.float32))
        if not z.isfinite().all():
            self.refuse(HTTPStatus.BAD_REQUEST)
            return
        try:
            self.answer("image/png", model.decode(z[None], label))
        except ArgumentError:
            self.refuse(HTTPStatus.BAD_REQUEST)

    def _look(self, model: Explored, content: bytes, label: int | None) -> None:
        try:
            self._json(model.look(content, label))
        except ArgumentError as error:
            self._json({"error": error.why})

    def _json(self, content: Any) -> None:
        self.answer("application/json", safe_json(content).encode())

    def _model(self, number: str) -> Explored | None:
        models = cast(ExploreServer, self.server).models
        return models[int(number)] if int(number) < len(models) else None

    def _close(self, status: HTTPStatus) -> None:
        self.close_connection = True  # what the request still holds is left unread
        self.refuse(status)


def _explored(saved: SavedRun, cfg: DictConfig) -> Explored:
    if cfg.images is None and "source" not in cfg.data:
        try:
            _ = saved.data
        except UserError as error:
            print(f"the map shows draws of the prior: {error}")
            return Explored(saved, None, [], cfg.points, cfg.seed)
    data, splits, condition = examples(saved, cfg)
    return Explored(saved, data, splits, cfg.points, cfg.seed, condition)

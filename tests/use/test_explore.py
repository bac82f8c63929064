"""The page of a model's codes, by HTTP and in Chromium: what one drags to is what the model decodes."""

import http.client
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser import chromium, outside
from conftest import Use
from PIL import Image
from playwright.sync_api import Page, expect

from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.use.explore import LARGEST_FILE, ExploreServer
from infovae.use.explored import Explored
from infovae.use.own_images import prepared


@pytest.fixture(scope="module")
def server(squares_run: Path) -> Iterator[ExploreServer]:
    """Of two models: one with the examples of all splits, and one whose data are gone."""
    first, second = load(squares_run), load(squares_run)
    models = [Explored(first, first.data, ["train", "validation", "test"], points=15, seed=0)]
    models.append(Explored(second, None, [], points=15, seed=0))
    with ExploreServer(models) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: ExploreServer, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image).transpose(2, 0, 1) / 255


def test_a_code_is_decoded_and_an_image_is_looked_at(server: ExploreServer, squares: Path) -> None:
    model = server.models[0]
    z = torch.tensor([0.5, -1.0, 2.0])
    status, content = ask(server, "POST", "/0/decode", z.numpy().tobytes())
    assert status == 200
    assert np.abs(pixels(content) - model.saved.module.decode(z[None]).mean[0].numpy()).max() <= 0.5 / 255 + 1e-6
    file = squares / "dogs" / "04.png"
    seen = json.loads(ask(server, "POST", "/0/look", file.read_bytes())[1])
    mean = model.saved.module.encode(prepared(model.saved, [file])).mean
    np.testing.assert_allclose(seen["mean"], mean[0].numpy(), rtol=1e-5)
    nearest = (model.codes - mean).norm(dim=1).argmin()
    assert seen["neighbours"][0]["title"].startswith(model.described()["examples"][nearest])
    assert len(json.loads(ask(server, "GET", "/0/draw")[1])) == 3
    described = model.described()
    assert len(described["codes"]) == len(described["labels"]) == len(described["examples"]) <= 15 * 3
    assert pixels(ask(server, "GET", "/0/example/0")[1]).shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/", b"", {"Host": "evil.example"}, 421),
        ("POST", "/0/decode", b"\0" * 12, {"Host": "evil.example"}, 421),
        ("POST", "/0/decode", b"\0" * 12, {"Origin": "http://evil.example"}, 403),
        ("POST", "/0/decode", b"\0" * 11, {}, 400),
        ("POST", "/0/decode", np.full(3, np.nan, "<f4").tobytes(), {}, 400),
        ("POST", "/0/look", b"", {"Content_Length": str(LARGEST_FILE + 1)}, 413),
        ("POST", "/0/decode?label=1", b"\0" * 12, {}, 400),
        ("POST", "/2/decode", b"\0" * 12, {}, 404),
        ("GET", "/1/example/0", b"", {}, 404),
        ("GET", "/0/example/999", b"", {}, 404),
        ("GET", "/0/../config.yaml", b"", {}, 404),
    ],
)  # fmt: skip
def test_other_questions_are_refused(
    server: ExploreServer, method: str, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert ask(server, method, path, body, **headers)[0] == status


def test_a_file_that_is_no_image_is_said_to_be_none(server: ExploreServer) -> None:
    assert json.loads(ask(server, "POST", "/0/look", b"no image")[1]) == {"error": "can't be read as an image"}


@pytest.fixture
def page(server: ExploreServer) -> Iterator[Page]:
    errors: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(20_000)
        page.on("console", lambda message: message.type == "error" and errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: outside(request.url) and errors.append(request.url))
        page.goto(server.url)
        page.wait_for_function("document.querySelectorAll('.model[data-ready]').length === 2")
        yield page
    assert errors == []


def code(page: Page, panel: int = 0) -> list[float]:
    z: list[float] = page.evaluate(f"panels[{panel}].z")
    return z


def shown(page: Page, panel: int = 0) -> np.ndarray:
    """What the page shows for its code, once it shows the newest."""
    page.wait_for_function(f"!panels[{panel}].asking && panels[{panel}].find('.decoded').complete")
    return np.array(
        page.evaluate(
            f"""() => {{
                const image = panels[{panel}].find(".decoded");
                const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
                canvas.getContext("2d").drawImage(image, 0, 0);
                return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
            }}"""
        )
    ).reshape(8, 8, 4)[..., :3].transpose(2, 0, 1) / 255  # fmt: skip


def test_one_drags_through_the_codes(page: Page, server: ExploreServer, squares: Path) -> None:
    def decoded(panel: int = 0) -> Any:
        module = server.models[panel].saved.module
        return module.decode(torch.tensor([code(page, panel)])).mean[0].numpy()

    first, other = code(page), code(page, 1)
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"], steps=4)
    page.mouse.up()
    described = server.models[0].described()
    moved = (np.array(code(page)) - described["centre"]) @ np.array(described["axes"]).T
    reach = page.evaluate("panels[0].reach")
    np.testing.assert_allclose(moved, [reach / 2, reach / 2], atol=reach / 100)  # a pixel is 1/200 of it
    across = np.linalg.svd(np.array(described["axes"]))[2][2]  # what is orthogonal to the plane stays as it was
    np.testing.assert_allclose(np.array(code(page)) @ across, np.array(first) @ across, atol=1e-4)
    assert np.abs(shown(page) - decoded()).max() < 1.5 / 255
    assert code(page, 1) == other

    page.locator(".across").first.select_option("z1")
    expect(page.locator(".up").first).to_have_value("1")  # a dimension and a principal axis would move each other
    before = code(page)
    page.locator("canvas").first.press("ArrowRight")
    assert code(page)[0] > before[0]
    assert code(page)[1:] == before[1:]
    page.locator(".sliders").first.locator("input").last.fill("1.25")
    assert 1.25 in code(page)
    assert np.abs(shown(page) - decoded()).max() < 1.5 / 255

    page.get_by_role("button", name="Go to its code").first.click()
    expect(page.locator(".example p").first).to_contain_text(", 0.00 away")
    page.set_input_files("#file", squares / "cats" / "06.png")
    expect(page.locator(".own")).to_have_count(2)
    page.wait_for_function("document.querySelectorAll('.own:not([hidden])').length === 2")
    image = prepared(server.models[0].saved, [squares / "cats" / "06.png"])
    np.testing.assert_allclose(code(page, 1), server.models[1].saved.module.encode(image).mean[0].numpy(), rtol=1e-5)
    expect(page.locator(".neighbours").first.locator("img")).to_have_count(8)
    expect(page.locator(".neighbours").last).to_be_hidden()
    page.set_input_files("#file", {"name": "notes.png", "mimeType": "image/png", "buffer": b"no image"})
    expect(page.locator(".error").first).to_have_text("notes.png: can't be read as an image")


def test_three_runs_are_too_many(use: Use, squares_run: Path) -> None:
    with pytest.raises(UserError, match=r"^run=.*: 3 runs; accepted: a run's folder, or two of them"):
        use("explore", f"run=[{squares_run},{squares_run},{squares_run}]")


def test_each_split_gives_its_own_points(squares_run: Path) -> None:
    """Fewer than each split has: names and codes belong to the same examples, and an image finds itself."""
    saved = load(squares_run)
    names = {name: part.names for name, part in saved.data.splits.items()}
    most = min(len(found) for found in names.values() if found is not None) - 1
    explored = Explored(saved, saved.data, ["train", "validation", "test"], points=most, seed=0)
    described = explored.described()
    assert len(described["codes"]) == len(described["examples"]) == 3 * most
    for name, code in zip(described["examples"], described["codes"], strict=True):
        x = prepared(saved, [Path(saved.cfg.data.root) / name])
        np.testing.assert_allclose(saved.module.encode(x).mean[0].numpy(), code, atol=1e-4)

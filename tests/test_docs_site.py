"""The documentation site: what its pages are made from, and that they need no network."""

import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from browser import chromium
from conftest import CONF, PROJECT

from infovae.objective import infovae_loss

SCIENCE = {"objective", "codes", "model", "module", "divergences", "priors", "fitted_priors", "posteriors",
           "likelihoods", "networks", "metrics", "pictures", "data", "evaluation.load"}  # fmt: skip


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the site is made from, and the built site in it."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("src", "conf", "benchmarks", "notebooks"):
        (folder / name).symlink_to(PROJECT / name)
    shutil.copytree(PROJECT / "docs", folder / "docs")
    shutil.copy(PROJECT / "mkdocs.yml", folder)
    subprocess.run([sys.executable, "docs/generate/stage.py"], cwd=folder, check=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder


def nav_pages() -> list[str]:
    text = (PROJECT / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    return re.findall(r"[\w./-]+\.md", text)


def test_navigation_has_every_page_once(clone: Path) -> None:
    staged = clone / "build" / "docs"
    assert sorted(nav_pages()) == sorted(str(path.relative_to(staged)) for path in staged.rglob("*.md"))


def test_every_relative_link_and_picture_is_there(clone: Path) -> None:
    # Strict mode checks links between pages alone: a picture or a file that is missing goes unnoticed.
    targets = 0
    for page in (clone / "site").rglob("*.html"):
        if page.name == "404.html":
            continue
        for target in re.findall(r'(?:src|href)="([^"#?:]+)["#?]', page.read_text()):
            targets += 1
            assert (page.parent / target).exists(), f"{page}: {target}"
    assert targets > 1000


def test_every_file_of_conf_has_an_entry_with_its_keys(clone: Path) -> None:
    page = (clone / "build/docs/reference/configs.md").read_text()
    entries = dict(re.findall(r"^### .*\{#(\S+)\}\n((?:(?!^##).*\n)*)", page, re.M))
    files = list(CONF.rglob("*.yaml"))
    assert len(entries) == len(files)
    for path in files:
        entry = entries[str(path.relative_to(CONF).with_suffix("")).replace("/", "-")]
        keys = yaml.safe_load("".join(re.findall(r"```yaml\n(.*?)```", entry, re.S))) or {}
        wanted = yaml.safe_load(path.read_text()) or {}
        wanted.get("hydra", {}).pop("help", None)
        assert keys == wanted, path


def test_an_entry_shows_comment_and_class_and_links_to_the_api(clone: Path) -> None:
    html = (clone / "site/reference/configs.html").read_text()
    entry = html.split('id="divergence-mmd"')[1].split("<h3")[0]
    assert "(Gretton et al. 2012)" in entry.split("<code")[0]
    assert 'href="api/divergences.html#infovae.divergences.mmd.MMD"' in entry
    assert 'id="infovae.divergences.mmd.MMD"' in (clone / "site/reference/api/divergences.html").read_text()


def test_every_room_of_the_science_has_a_page_with_its_functions(clone: Path) -> None:
    assert {page.stem for page in (clone / "build/docs/reference/api").iterdir()} == SCIENCE
    for room in SCIENCE:
        html = (clone / f"site/reference/api/{room}.html").read_text()
        names = re.findall(rf'id="infovae\.{re.escape(room)}\.([\w.]+)"', html)
        assert names, room
    html = (clone / "site/reference/api/objective.html").read_text()
    entry = html.split('id="infovae.objective.infovae_loss"')[1].split("<h2")[0]
    said = infovae_loss.__doc__ or ""
    for part in (said.splitlines()[0], *inspect.signature(infovae_loss).parameters, "Raises"):
        assert part in entry


def test_pages_show_no_sphinx_roles(clone: Path) -> None:
    for page in (clone / "site/reference/api").glob("*.html"):
        assert not re.search(r":(func|class|meth|mod|attr):", page.read_text()), page


def stage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stage", PROJECT / "docs/generate/stage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "page", "written", "wanted"),
    [
        ("docs/a.md", "a.md", "[x](data.md#images)", "[x](data.md#images)"),
        ("docs/howto/a.md", "howto/a.md", "[x](../../conf/data/mnist.yaml)", "[x](../reference/configs.md#data-mnist)"),
        ("docs/a.md", "a.md", "[x](../conf/divergence/kernel)", "[x](reference/configs.md#divergence-kernel)"),
        ("docs/a.md", "a.md", "[x](../src/infovae/objective.py)", "[x](reference/api/objective.md)"),
        (
            "notebooks/a.ipynb",
            "tutorial/a.md",
            "[`x`](../src/infovae/divergences/mmd.py)",
            "[`x`](../reference/api/divergences.md#infovae.divergences.mmd)",
        ),
        (
            "benchmarks/README.md",
            "results/benchmarks.md",
            "![x](../docs/figures/front.png)",
            "![x](../figures/front.png)",
        ),
        ("docs/a.md", "a.md", "[x](https://arxiv.org/abs/1706.02262)", "[x](https://arxiv.org/abs/1706.02262)"),
        ("docs/a.md", "a.md", "[x](#below)", "[x](#below)"),
        ("docs/a.md", "a.md", "see [the test](../tests/conftest.py).", "see the test."),
    ],
)
def test_links_follow_files_to_their_pages(source: str, page: str, written: str, wanted: str) -> None:
    assert stage().with_links(written, source, page) == wanted


def test_links_to_other_files_lead_to_the_repository_where_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPOSITORY_URL", "https://example.org/lab")
    text = stage().with_links("[x](../tests/conftest.py)", "docs/a.md", "a.md")
    assert text == "[x](https://example.org/lab/blob/main/tests/conftest.py)"


def test_site_opens_and_searches_without_a_network(clone: Path) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((clone / "site/index.html").as_uri())
        page.get_by_role("button", name="Search").click()
        page.get_by_placeholder("Search").fill("mmd_squared_to_standard_normal")
        page.locator('a[href*="#infovae.divergences.mmd.mmd_squared_to_standard_normal"]').first.wait_for()
        page.set_viewport_size({"width": 400, "height": 900})
        for name in ("index", "divergences", "reference/configs", "reference/api/divergences", "results/benchmarks"):
            page.goto((clone / f"site/{name}.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 400, name
        assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]

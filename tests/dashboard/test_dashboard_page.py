"""The file: self-contained, and nothing in a run folder ends a script or becomes markup."""

import base64
import gzip
import json
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import CONF, PROJECT, Command
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from run_folders import write_run

from infovae.dashboard.build import write
from infovae.dashboard.page import PACKAGE, SCRIPTS, json_block, page, safe_json
from infovae.dashboard.settings import settings_of
from infovae.errors import UserError

HOSTILE = "</script><script>alert(1)</script><!--\u2028<img src=x onerror=alert(1)>&amp;{{style}}"
ABOUT = {"live": False}


class Blocks(HTMLParser):
    """The elements of a page, and the text of its data blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: dict[str, str] = {}
        self._open: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        kind = dict(attrs).get("type")
        self._open = dict(attrs).get("id") if kind in ("application/json", "text/plain") else None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.data[self._open] = self.data.get(self._open, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._open = None


def unpacked(block: str) -> Any:
    """The JSON in a packed block."""
    return json.loads(gzip.decompress(base64.b64decode(block)))


def parsed(text: str) -> Blocks:
    blocks = Blocks()
    blocks.feed(text)
    return blocks


@settings(max_examples=50, deadline=None)
@given(st.text() | st.just(HOSTILE) | st.text(alphabet="<>/!-&script\u2028\u2029\"'\\"))
def test_any_text_comes_out_of_its_block_as_it_went_in(text: str) -> None:
    blocks = parsed(json_block("data", safe_json({text: [text]})))
    assert [tag for tag, _ in blocks.tags] == ["script"]
    assert json.loads(blocks.data["data"]) == {text: [text]}


def test_hostile_text_adds_no_element() -> None:
    harmless = parsed(page(ABOUT, safe_json({"runs": ["a"]}), {})[0])
    hostile = parsed(page(ABOUT, safe_json({"runs": [HOSTILE]}), {})[0])
    assert hostile.tags == harmless.tags
    assert unpacked(hostile.data["data"])["runs"] == [HOSTILE]


def test_the_page_fetches_nothing() -> None:
    blocks = parsed(page(ABOUT, "{}", {})[0])
    for tag, attributes in blocks.tags:
        assert tag not in ("iframe", "base", "object", "embed")
        assert "src" not in attributes
        assert attributes.get("href") in (None, "data:,")
    policy = next(attributes["content"] for tag, attributes in blocks.tags if "http-equiv" in attributes)
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'unsafe-eval' 'sha256-")
    assert "unsafe-inline" not in policy.split("style-src")[0]


def test_libraries_can_be_written_into_a_script_element() -> None:
    text = page(ABOUT, "{}", {})[0]
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    assert len(scripts) == 3  # plotly, Tabulator, the glue: none holds the end of a script
    assert len(scripts[0]) > 1e6


def test_every_piece_of_glue_is_read() -> None:
    assert sorted(SCRIPTS) == sorted(path.name for path in (PACKAGE / "assets").iterdir() if path.name.endswith(".js"))


def test_an_installed_package_has_its_files() -> None:
    """What pyproject.toml declares is all there is."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    folder = Path(str(PACKAGE))
    patterns = project["tool"]["setuptools"]["package-data"]["infovae.dashboard"]
    declared = {path for pattern in patterns for path in folder.glob(pattern)}
    present = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert declared >= present
    assert present


def test_the_command_writes_the_file_and_nothing_else(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "outputs" / "day" / "<b>run", pictures=("samples-0001.png",))
    before = set(tmp_path.rglob("*"))
    answer = command("dashboard", "runs=outputs/day", "output=pages/page.html")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("pages/page.html: 1 runs, ")
    assert set(tmp_path.rglob("*")) - before == {tmp_path / "pages", tmp_path / "pages" / "page.html"}
    blocks = parsed((tmp_path / "pages" / "page.html").read_text())
    data = unpacked(blocks.data["data"])
    assert [run["path"] for run in data["runs"]] == ["outputs/day/<b>run"]
    assert json.loads(blocks.data["pictures-0"])["samples-0001.png"].startswith("data:image/png;base64,")


def defaults() -> DictConfig:
    """conf/dashboard.yaml without what is Hydra's."""
    cfg = OmegaConf.load(CONF / "dashboard.yaml")
    assert isinstance(cfg, DictConfig)
    del cfg["defaults"], cfg["hydra"]
    return cfg


def test_an_address_of_another_machine_is_refused_in_one_line(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "ok")
    answer = command("dashboard", "runs=ok", "--serve", "host=203.0.113.1", timeout=60)
    assert answer.returncode == 1
    assert "host=203.0.113.1 port=8765: " in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [("port", "many"), ("port", 70000), ("runs", []), ("poll_seconds", 0), ("curve_points", 1), ("output", None)],
)
def test_a_value_that_makes_no_sense_is_refused(key: str, value: object) -> None:
    cfg = defaults()
    assert settings_of(cfg).runs == ["outputs"]
    cfg[key] = value
    with pytest.raises(UserError, match=f"^{key}="):
        settings_of(cfg)


def test_a_file_that_cannot_be_written_and_folders_without_runs(tmp_path: Path) -> None:
    cfg = defaults()
    (tmp_path / "empty").mkdir()
    cfg.runs = str(tmp_path / "empty")
    with pytest.raises(UserError, match="no run in there; accepted:"):
        write(settings_of(cfg))
    write_run(tmp_path / "run")
    cfg.runs, cfg.output = str(tmp_path), str(tmp_path / "empty")
    with pytest.raises(UserError, match=r"output=.*empty: .*; accepted: a file's path"):
        write(settings_of(cfg))


def test_a_full_disk_is_one_line_and_leaves_nothing(process: Command, tmp_path: Path) -> None:
    """The kernel's limit on a file's size stands for the disk."""
    write_run(tmp_path / "run")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    )
    before = set(tmp_path.rglob("*"))
    limited = {"PYTHONPATH": f"{tmp_path / 'site'}:{PROJECT / 'src'}", "PYTHONDONTWRITEBYTECODE": "1"}
    answer = process("dashboard", "runs=run", "output=page.html", **limited)
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        "error: output=page.html: can't be written (File too large); "
        "accepted: a file's path, in a folder that can be written to"
    ]
    assert set(tmp_path.rglob("*")) == before


def test_it_starts_without_torch() -> None:
    check = (
        "import sys, infovae.dashboard.build, infovae.app.cli; print({'torch', 'pytorch_lightning'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"

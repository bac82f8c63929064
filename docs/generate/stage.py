"""Lay out the pages of the documentation site in build/docs: those of docs/, and those made from conf/ and src/.

    python docs/generate/stage.py

The configs' page comes from the YAML files, the API's pages from the docstrings, the notebooks from their cells. Links
between files of the repository become links between pages of the site.
"""

import json
import os
import re
import shutil
from base64 import b64decode
from pathlib import Path

PROJECT = Path(__file__).parents[2]
STAGED = PROJECT / "build" / "docs"
CONFIGS = "reference/configs.md"
# Where files outside docs/ are files of the repository; without it such a link keeps its text alone.
REPOSITORY = os.environ.get("REPOSITORY_URL", "")
ROOMS = re.findall(r"reference/api/(\w+)\.md", (PROJECT / "mkdocs.yml").read_text())
PAGES = {f"docs/{page.relative_to(PROJECT / 'docs')}": page for page in (PROJECT / "docs").rglob("*.md")}
SITE = (
    {name: name.removeprefix("docs/") for name in PAGES}
    | {"benchmarks/README.md": "results/benchmarks.md", "conf": CONFIGS}
    | {f"notebooks/{path.name}": f"tutorial/{path.stem}.md" for path in (PROJECT / "notebooks").glob("*.ipynb")}
)


def address(target: str, page: str) -> str:
    """Return the link from a page of the site to a file of the repository; empty where the site has no such link."""
    anchor = ""
    if target in SITE:
        place = SITE[target]
    elif target.startswith("docs/"):
        place = target.removeprefix("docs/")
    elif target.startswith("conf/"):
        place, anchor = CONFIGS, "#" + slug(target.removeprefix("conf/").removesuffix(".yaml"))
    elif (room := re.match(r"src/infovae/(\w+)", target)) and room[1] in ROOMS:
        name = target.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        place, anchor = f"reference/api/{room[1]}.md", f"#{name}"
    else:
        return f"{REPOSITORY}/blob/main/{target}" if REPOSITORY else ""
    return os.path.relpath(place, Path(page).parent) + anchor


def with_links(text: str, source: str, page: str) -> str:
    """Return the Markdown of ``source`` with its relative links as they are from ``page``."""

    def replace(found: re.Match[str]) -> str:
        label, target, anchor = found.groups()
        place = address(os.path.normpath(Path(source).parent / target), page)
        return f"[{label}]({place}{anchor or ''})" if place else label

    return re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)", replace, text)


def slug(name: str) -> str:
    """Return the anchor of a config or a group of them."""
    return name.replace("/", "-")


def configs() -> str:
    """Return the page that shows each group of conf/ and its options, as their files say."""
    conf = PROJECT / "conf"
    lines = ["# Configs", "", "One section for each group of `conf/`, one entry for each option.", ""]
    lines += ["`group=option` chooses an option, and `key=value` sets a key of it.", "", "## Commands {#commands}", ""]
    folders = sorted({path.parent for path in conf.rglob("*.yaml")} - {conf})
    for folder in [conf, *folders]:
        group = str(folder.relative_to(conf))
        lines += [] if folder == conf else [f"## {group} {{#{slug(group)}}}", ""]
        for path in sorted(folder.glob("*.yaml")):
            lines += option(path.stem if folder == conf else f"{group}={path.stem}", path)
    return "\n".join(lines)


def option(title: str, path: Path) -> list[str]:
    """Return the entry of one file: what its first comment says, its classes, and its keys with their defaults."""
    text = path.read_text()
    comment, body = re.match(r"((?:#.*\n)*)((?:.|\n)*)", text).groups()
    said = [line.removeprefix("#").strip() for line in comment.splitlines() if "@package" not in line]
    name = str(path.relative_to(PROJECT / "conf").with_suffix(""))
    lines = [f"### {title} {{#{slug(name)}}}", "", *("".join(escape(line)) for line in said), ""]
    for target in dict.fromkeys(re.findall(r"_target_: (infovae\.(\w+)\S*)", body)):
        lines += [f"Class: [`{target[0]}`][{target[0]}]" if target[1] in ROOMS else f"Class: `{target[0]}`", ""]
    return [*lines, "```yaml", body.strip() or "# no keys", "```", ""]


def escape(text: str) -> str:
    """Return text whose characters Markdown would read as its own are escaped, but for code between backticks."""
    return "`".join(part if odd % 2 else re.sub(r"([*_<\[|])", r"\\\1", part) for odd, part in enumerate(text.split("`")))


def notebook(path: Path, page: Path) -> str:
    """Return a notebook with its outputs as Markdown; its pictures are written beside the page."""
    lines = []
    for number, cell in enumerate(json.loads(path.read_text())["cells"]):
        source = "".join(cell["source"])
        lines += [source, ""] if cell["cell_type"] == "markdown" else ["```python", source, "```", ""]
        for order, output in enumerate(cell.get("outputs", [])):
            data = output.get("data", {"text/plain": output.get("text", [])})
            if "image/png" in data:
                picture = page.with_name(f"{path.stem}_{number}_{order}.png")
                picture.write_bytes(b64decode(data["image/png"]))
                lines += [f"![Output of the cell above]({picture.name})", ""]
            elif "text/markdown" in data:
                lines += ["".join(data["text/markdown"]), ""]
            else:
                lines += ["```text", "".join(data["text/plain"]).rstrip(), "```", ""]
    return "\n".join(lines)


def main() -> None:
    """Write all pages anew."""
    shutil.rmtree(STAGED, ignore_errors=True)
    shutil.copytree(PROJECT / "docs", STAGED, ignore=shutil.ignore_patterns("generate", "*.csv"))
    for source, place in SITE.items():
        path, page = PROJECT / source, STAGED / place
        page.parent.mkdir(parents=True, exist_ok=True)
        text = configs() if place == CONFIGS else notebook(path, page) if path.suffix == ".ipynb" else path.read_text()
        page.write_text(with_links(text, source, place))
    for room in ROOMS:
        page = STAGED / "reference" / "api" / f"{room}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text(f"# infovae.{room}\n\n::: infovae.{room}\n")


if __name__ == "__main__":
    main()

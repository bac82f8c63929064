"""Lay out the pages of the documentation site in build/docs.

    python docs/generate/stage.py

Most pages are those of docs/. The page of configs comes from the YAML files of conf/, the pages of the Python API from
docstrings, and the notebooks from their cells. Links between files of the repository become links of the site.
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
PAGES = (
    {str(path.relative_to(PROJECT)): str(path.relative_to(PROJECT / "docs")) for path in PROJECT.glob("docs/**/*.md")}
    | {f"notebooks/{path.name}": f"tutorial/{path.stem}.md" for path in PROJECT.glob("notebooks/*.ipynb")}
    | {"benchmarks/README.md": "results/benchmarks.md", "conf": CONFIGS}
)
"""The pages that are made from one file or folder of the repository."""

API = re.findall(r"reference/api/([\w.]+)\.md", (PROJECT / "mkdocs.yml").read_text())
"""The modules that have a page, as named below infovae."""

REPOSITORY = os.environ.get("REPOSITORY_URL", "")
"""Where readers find the files that are no page of the site; without it, links to them become plain text."""


def link(target: str, page: str) -> str:
    """Return the link from a page to a file of the repository, or nothing if readers can't reach that file."""
    module = re.sub(r"(/__init__)?\.py$", "", target).removeprefix("src/infovae/").replace("/", ".")
    if target in PAGES:
        place = PAGES[target]
    elif target.startswith("docs/"):
        place = target.removeprefix("docs/")
    elif target.startswith("conf/"):
        place = f"{CONFIGS}#{anchor(target.removeprefix('conf/'))}"
    elif room := room_of(module):
        place = f"reference/api/{room}.md" + (f"#infovae.{module}" if module != room else "")
    else:
        return f"{REPOSITORY}/blob/main/{target}" if REPOSITORY else ""
    return os.path.relpath(place, Path(page).parent)


def room_of(name: str) -> str:
    """Return the module whose page shows a module, class or function, named as below infovae; or nothing."""
    return next((room for room in API if f"{name}.".startswith(f"{room}.")), "")


def anchor(name: str) -> str:
    """Return the anchor of a config file or of a group, named as below conf/."""
    return name.removesuffix(".yaml").replace("/", "-")


def with_links(text: str, source: str, page: str) -> str:
    """Return the Markdown of ``source`` with its relative links as they are from ``page``."""

    def replace(found: re.Match[str]) -> str:
        label, target, fragment = found.groups()
        place = link(os.path.normpath(Path(source).parent / target), page)
        return f"[{label}]({place}{fragment or ''})" if place else label

    return re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)", replace, text)


def configs(conf: Path) -> str:
    """Return the page of configs: the commands, then every group and its options."""
    lines = ["# Configs", "", "What can I choose and set on the command line?", ""]
    lines += ["`group=option` chooses an option, and `key=value` sets a key. Each entry is a file of `conf/`.", ""]
    for folder in [conf, *sorted({path.parent for path in conf.rglob("*.yaml")} - {conf})]:
        group = "" if folder == conf else str(folder.relative_to(conf))
        lines += [f"## {group or 'Commands'} {{#{anchor(group or 'commands')}}}", ""]
        for path in sorted(folder.glob("*.yaml")):
            heading = f"{group}={path.stem}" if group else path.stem
            lines += [f"### {heading} {{#{anchor(str(path.relative_to(conf)))}}}", "", *entry(path.read_text())]
    return "\n".join(lines)


def entry(text: str) -> list[str]:
    """Return what a config file says of itself, the classes it names, and its keys with their defaults."""
    comment, body = re.fullmatch(r"((?:#.*\n)*)((?s:.*))", text).groups()
    lines = [escaped(line.strip("# ")) for line in comment.splitlines() if "@package" not in line]
    for name in dict.fromkeys(re.findall(r"_target_: infovae\.(\S+)", body)):
        full = f"infovae.{name}"
        lines += ["", f"Class: [`{full}`][{full}]" if room_of(name) else f"Class: `{full}`"]
    keys = re.sub(r"\n  help:\n(    .*\n|\n)*", "\n", body).strip()  # without the texts of --help
    return [*lines, "", *(["```yaml", keys, "```", ""] if keys else [])]


def escaped(text: str) -> str:
    """Return text without Markdown's marks, but for code between backticks."""
    parts = text.split("`")
    return "`".join(part if i % 2 else re.sub(r"([*_<\[|])", r"\\\1", part) for i, part in enumerate(parts))


def notebook(source: str, page: str) -> str:
    """Return a notebook with its outputs as Markdown; its pictures are written beside the page."""
    lines: list[str] = []
    for i, cell in enumerate(json.loads((PROJECT / source).read_text())["cells"]):
        text = "".join(cell["source"])
        is_text = cell["cell_type"] == "markdown"
        lines += [with_links(text, source, page), ""] if is_text else ["```python", text, "```", ""]
        for k, output in enumerate(cell.get("outputs", [])):
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/png" in data:
                picture = (STAGED / page).with_name(f"{Path(page).stem}_{i}_{k}.png")
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
    shutil.copytree(PROJECT / "docs", STAGED, ignore=shutil.ignore_patterns("generate"))
    (STAGED / "reference" / "api").mkdir()
    for source, place in PAGES.items():
        if source == "conf":
            text = configs(PROJECT / source)
        elif source.endswith(".ipynb"):
            text = notebook(source, place)
        else:
            text = with_links((PROJECT / source).read_text(), source, place)
        (STAGED / place).write_text(text)
    for room in API:
        (STAGED / "reference" / "api" / f"{room}.md").write_text(f"# infovae.{room}\n\n::: infovae.{room}\n")


if __name__ == "__main__":
    main()

"""Build one HTML file with everything in it: libraries, style, scripts, runs, pictures."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from infovae.metrics.meanings import FAMILIES, MEANINGS

PACKAGE = files("infovae.dashboard")
SCRIPTS = (
    "numbers.js",
    "describe.js",
    "meanings.js",
    "groups.js",
    "state.js",
    "controls.js",
    "marks.js",
    "table.js",
    "csv.js",
    "plot.js",
    "smooth.js",
    "curves.js",
    "against.js",
    "spread.js",
    "parallel.js",
    "pareto.js",
    "compare.js",
    "pictures.js",
    "enlarged.js",
    "notes.js",
    "details.js",
    "view.js",
    "main.js",
)
"""The page's own scripts, in the order in which they are read."""


def page(about: Mapping[str, Any], changes: str, pictures: Mapping[int, Mapping[str, str]]) -> tuple[str, str]:
    """Return the page, and the content security policy that it keeps.

    Which way metrics are better goes into it, too.

    Args:
        about: of the page itself, with ``live``: whether there is a server to ask for more.
        changes: the runs, as ``Watch.changes`` returns them.
        pictures: data URLs by file name, by the number of the run.
    """
    plotly = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    tabulator = (PACKAGE / "vendor" / "tabulator" / "tabulator.min.js").read_text(encoding="utf-8")
    own_scripts = "\n".join((PACKAGE / "assets" / name).read_text(encoding="utf-8") for name in SCRIPTS)
    scripts = [plotly, tabulator, own_scripts]
    policy = content_security_policy(scripts)
    meanings = json_block("meanings", safe_json({"names": MEANINGS, "endings": FAMILIES}))
    blocks = [meanings, json_block("about", safe_json(about)), packed_block("data", changes)]
    blocks += [json_block(f"pictures-{number}", safe_json(urls)) for number, urls in pictures.items() if urls]
    parts = {
        "policy": policy,
        "table_style": (PACKAGE / "vendor" / "tabulator" / "tabulator.min.css").read_text(encoding="utf-8"),
        "style": in_our_colours((PACKAGE / "assets" / "style.css").read_text(encoding="utf-8")),
        "data": "\n".join(blocks),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    template = (PACKAGE / "assets" / "page.html").read_text(encoding="utf-8")
    # In one pass: the parts may themselves contain braces.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template), policy


def in_our_colours(style: str) -> str:
    """Return the style of a page with the colours that all our pages share, light or dark as the system is."""
    return (PACKAGE / "assets" / "colours.css").read_text(encoding="utf-8") + style


def json_block(name: str, text: str) -> str:
    """Return a script element that holds JSON and isn't run; nothing in :func:`safe_json`'s text can end it."""
    return f'<script type="application/json" id="{name}">{text}</script>'


def packed_block(name: str, text: str) -> str:
    """Return a script element that holds text, compressed, and isn't run: runs have most of their config in common."""
    packed = base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode()
    return f'<script type="text/plain" id="{name}">{packed}</script>'


def safe_json(content: Any) -> str:
    """Return JSON in ASCII, without any character that means something in HTML."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def content_security_policy(scripts: Sequence[str]) -> str:
    """Return a policy by which only these scripts run, and nothing is fetched but from the page's own server.

    ``unsafe-eval`` lets these scripts, and no others, make functions: plotly draws parallel coordinates by them.
    """
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'unsafe-eval' {allowed}; style-src 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )

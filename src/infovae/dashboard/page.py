"""One HTML file with everything in it: libraries, style, glue, runs, pictures."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

PACKAGE = files("infovae.dashboard")
SCRIPTS = (
    "numbers.js",
    "describe.js",
    "groups.js",
    "state.js",
    "controls.js",
    "table.js",
    "plot.js",
    "curves.js",
    "against.js",
    "parallel.js",
    "pareto.js",
    "pictures.js",
    "details.js",
    "main.js",
)
"""The glue, in the order in which it is read."""


def page(data: Mapping[str, Any], pictures: Mapping[int, Mapping[str, str]]) -> tuple[str, str]:
    """The page, and the content security policy that it keeps.

    Args:
        data: what ``Watch.changes`` tells, and ``live``: whether there is a server to ask for more.
        pictures: data URLs by file name, by the number of the run.
    """
    libraries = [
        (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8"),
        (PACKAGE / "vendor" / "tabulator" / "tabulator.min.js").read_text(encoding="utf-8"),
    ]
    glue = "\n".join((PACKAGE / "assets" / name).read_text(encoding="utf-8") for name in SCRIPTS)
    scripts = [*libraries, glue]
    policy = content_security_policy(scripts)
    blocks = [json_block("data", data)]
    blocks += [json_block(f"pictures-{number}", urls) for number, urls in pictures.items() if urls]
    parts = {
        "policy": policy,
        "table_style": (PACKAGE / "vendor" / "tabulator" / "tabulator.min.css").read_text(encoding="utf-8"),
        "style": (PACKAGE / "assets" / "style.css").read_text(encoding="utf-8"),
        "data": "\n".join(blocks),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    template = (PACKAGE / "assets" / "page.html").read_text(encoding="utf-8")
    # In one pass: what is filled in may itself contain braces.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template), policy


def json_block(name: str, content: Any) -> str:
    """Data as a script element that isn't run, and that nothing in the data can end."""
    return f'<script type="application/json" id="{name}">{safe_json(content)}</script>'


def safe_json(content: Any) -> str:
    """JSON in ASCII without a character that HTML gives a meaning."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def content_security_policy(scripts: Sequence[str]) -> str:
    """Only these scripts run; nothing is fetched from anywhere but the page's own server.

    ``unsafe-eval`` lets these scripts, and no others, make functions: plotly draws parallel coordinates by them.
    """
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'unsafe-eval' {allowed}; style-src 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )

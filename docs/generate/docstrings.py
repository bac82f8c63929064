"""Make docstrings Markdown before the site shows them."""

import re

from griffe import Docstring, Extension, Object


class PlainRoles(Extension):
    """Show Sphinx's roles as code, and a lesser-than sign of a formula as itself rather than as HTML."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Rewrite the docstring of an object."""
        if isinstance(obj.docstring, Docstring):
            text = re.sub(r":\w+:(`[^`]+`)", r"\1", obj.docstring.value)
            obj.docstring.value = re.sub(r"<(?=\w)", "&lt;", text)

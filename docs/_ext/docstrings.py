"""Docstrings as they are written here, as the reStructuredText that autodoc reads.

A name in single backticks becomes a link where the site describes it, and code elsewhere; anything
else in single backticks becomes code. An indented paragraph between others is an equation.
"""

import inspect
import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

_CODE = re.compile(r"(?<![`:\w])(`[^`\n]+`)(?!`)")
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def _marked(line: str) -> str:
    """A line of text with its code marked as such."""
    parts = _CODE.split(line)
    for i, part in enumerate(parts):
        if i % 2 == 0:
            parts[i] = part.replace("|", "\\|")
            continue
        code = part.strip("`")
        parts[i] = f":py:obj:`{code}`" if _NAME.fullmatch(code) else f"``{code}``"
        if parts[i + 1][:1].isalnum():  # As in `tf.Example`s.
            parts[i] += "\\ "
    return "".join(parts)


def _is_equation(lines: list[str], i: int) -> bool:
    """Whether an indented block begins at a line that belongs to the text, not to a section."""
    before = [line for line in lines[:i] if line]
    return (
        lines[i].startswith("    ")
        and bool(before)
        and not lines[i - 1]
        and not before[-1].startswith(" ")
        and not before[-1].endswith(":")
    )


def mark(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Rewrites a docstring, but for its examples and equations."""
    marked: list[str] = []
    in_equation = False
    for i, line in enumerate(lines):
        if _is_equation(lines, i):
            marked += [".. code-block:: text", ""]
            in_equation = True
        in_equation = in_equation and (not line or line.startswith(" "))
        is_example = line.lstrip().startswith((">>>", "..."))
        marked.append(line if in_equation or is_example else _marked(line))
    lines[:] = marked


def skip_keras(
    app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Leaves out methods that say what Keras's say, such as `fit`."""
    return True if getattr(obj, "__module__", "").startswith("tf_keras") else None


def sign(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """Gives classes of Keras the arguments of `__init__`; their `__new__` takes any."""
    if what != "class" or signature != "(*args, **kwargs)":
        return None
    own = inspect.signature(obj.__init__)
    arguments = [argument for name, argument in own.parameters.items() if name != "self"]
    return stringify_signature(own.replace(parameters=arguments), show_annotation=False), returned


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("autodoc-process-docstring", mark, priority=400)  # Before napoleon.
    app.connect("autodoc-process-signature", sign)
    app.connect("autodoc-skip-member", skip_keras)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

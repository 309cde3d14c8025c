"""What doesn't fit on the screen of a phone, marked so that `site.css` can treat it apart there."""

import pathlib
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.images import get_image_size

#: Pixels from which the text of a figure can't be read if the whole of it is shown.
_WIDE = 640
#: Letters of code from which a word is longer than a line.
_LONG = 38


def mark(app: Sphinx, document: nodes.document) -> None:
    """Gives wide figures of a page the class `wide`, and code with long words the class `long`."""
    for image in document.findall(nodes.image):
        size = get_image_size(pathlib.Path(app.srcdir) / image["uri"])
        if size is not None and size[0] >= _WIDE:
            image["classes"].append("wide")
    for code in document.findall(nodes.literal):
        if max(map(len, code.astext().split()), default=0) > _LONG:
            code["classes"].append("long")


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("doctree-read", mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

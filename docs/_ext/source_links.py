"""Links from pages to files of the repository: to the page made of them, or to the repository.

The pages in `docs` link to code, as GitHub shows them, by a relative path such as
`../tfrec_zoo/models/deepfm.py`; files that pages include have links relative to themselves.
"""

import pathlib
import posixpath
import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_LINK = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)\s]+\))")


def rebase_links(app: Sphinx, path: pathlib.Path, parent: str, content: list[str]) -> None:
    """Makes the links of an included Markdown file relative to `docs`, where the page is."""
    folder = path.parent.as_posix()
    if path.suffix == ".md":
        content[0] = _LINK.sub(
            lambda found: found[1] + posixpath.normpath(posixpath.join(folder, found[2])),
            content[0],
        )


class SourceLinks(SphinxTransform):
    """Sends each link to a file or folder that is no page of the site to the repository."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        """Replaces the links of a page."""
        links = [
            node
            for node in self.document.findall(addnodes.pending_xref)
            if node.get("reftype") == "myst"
        ]
        for node in [*links, *self.document.findall(addnodes.download_reference)]:
            if node.get("refdomain") == "doc" and node["reftarget"] in self.env.found_docs:
                continue
            target = node["reftarget"].partition("#")[0]
            base = "" if node.get("refdomain") == "doc" else posixpath.dirname(self.env.docname)
            path = (self.env.srcdir / base / target).resolve()
            if node.get("refdomain") == "doc":
                suffix = ".ipynb" if path.parent.name == "notebooks" else ".md"
                path = path.with_name(f"{path.name}{suffix}")
            if target and path.exists():
                self._replace(node, path)

    def _replace(self, node: Any, path: pathlib.Path) -> None:
        name = path.relative_to(pathlib.Path(self.env.srcdir).parent).as_posix()
        page = self.config.source_pages.get(name)
        if page:
            node["refdomain"], node["reftarget"] = "doc", page
            return
        kind = "tree" if path.is_dir() else "blob"
        reference = nodes.reference("", "", refuri=f"{self.config.source_url}/{kind}/main/{name}")
        # What stands in the link, without the classes of a download.
        for child in node.children:
            child["classes"] = [c for c in child["classes"] if c not in ("xref", "download")]
        reference += node.children
        node.replace_self(reference)


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.add_config_value("source_url", "", "env", str)
    app.add_config_value("source_pages", {}, "env", dict)
    app.connect("include-read", rebase_links)
    app.add_transform(SourceLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

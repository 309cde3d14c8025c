"""Configuration of the site: `sphinx-build -W --keep-going -b html docs build/site`."""

import configparser
import os
import pathlib
import sys

_ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_ROOT), str(_ROOT / "docs" / "_ext")]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tfrec_zoo.version import __version__  # noqa: E402

_setup = configparser.ConfigParser()
_setup.read(_ROOT / "setup.cfg", encoding="utf-8")

project = "tfrec_zoo"
author = "The tfrec_zoo authors"
copyright = "the tfrec_zoo authors. Apache-2.0"
release = version = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "api_pages",
    "docstrings",
    "model_pages",
    "narrow_screens",
    "notebook_pages",
    "source_links",
]
exclude_patterns = ["results/**"]

# Markdown, and notebooks with the outputs they were written with.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "fieldlist"]
myst_heading_anchors = 4

# Docstrings.
autodoc_default_options = {"members": True, "exclude-members": "get_config"}
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
napoleon_custom_sections = [("Call arguments", "params_style")]
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True

# Files outside docs: where the repository is, and which of them are pages of the site.
source_url = _setup.get("metadata", "url", fallback="https://github.com/OWNER/tfrec_zoo")
source_pages = {
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "README.md": "models/index",  # Pages link to its table of models, which is longer there.
    "SECURITY.md": "security",
    "benchmarks/README.md": "benchmarks",
}
for _path in _ROOT.glob("notebooks/*.ipynb"):
    source_pages[f"notebooks/{_path.name}"] = f"notebooks/{_path.stem}"

# Looks.
html_theme = "furo"
html_title = "tfrec_zoo"
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("sortable.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "source_edit_link": f"{source_url}/edit/main/docs/{{filename}}",
    "source_view_link": f"{source_url}/blob/main/docs/{{filename}}",
    "top_of_page_buttons": [],
    "light_css_variables": {
        "color-brand-primary": "#0f766e",
        "color-brand-content": "#0f766e",
        "color-brand-visited": "#115e59",
    },
    "dark_css_variables": {
        "color-brand-primary": "#2dd4bf",
        "color-brand-content": "#2dd4bf",
        "color-brand-visited": "#5eead4",
    },
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = False

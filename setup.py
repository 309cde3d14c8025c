"""Entry point for setuptools; what is not computed is declared in setup.cfg."""

import pathlib

from setuptools import find_packages, setup

# The pretrained models are installed as tfrec_zoo/saved_models, from the folder of that name.
_MODELS = pathlib.Path("saved_models")

setup(
    packages=[*find_packages(include=["tfrec_zoo*"]), "tfrec_zoo.saved_models"],
    package_dir={"tfrec_zoo.saved_models": str(_MODELS)},
    package_data={
        "tfrec_zoo": ["py.typed"],
        "tfrec_zoo.serving.server": ["page.html", "page.css", "page.js"],
        "tfrec_zoo.saved_models": [
            path.relative_to(_MODELS).as_posix()
            for path in _MODELS.glob("*/*/**/*")
            if path.is_file()
        ],
    },
)

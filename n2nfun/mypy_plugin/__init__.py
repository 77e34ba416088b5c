"""A plugin for mypy: readable messages where layers do not fit each other, and their sizes as Literals.

One line in the configuration turns it on, in ``pyproject.toml``:

    [tool.mypy]
    plugins = ["n2nfun.mypy_plugin"]

Then of all compositions, ``sequential``, ``>>`` and ``residual``, of any number of layers,

- params and caches have their exact types;
- channels that do not fit are an error with the code ``n2nfun-shape`` that names both layers, however many layers that
  keep their channels stand between them;
- ``output_shape`` and ``count_parameters`` are Literals where the numbers stand in the source, and a kernel that is larger
  than its input is an error.

What it needs to know of a layer travels with the layer's type: the channels everywhere, the sizes within a file. Where it
cannot know, of a layer from a function, an attribute, another file or a variable that is assigned twice, or of a size
that is computed, it says nothing, and run time checks. It is not needed for anything: without it
mypy finds mismatches of neighbours by itself, in its own words.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy.plugin import Plugin

__all__ = ["plugin"]


def plugin(version: str) -> "type[Plugin]":
    """Return the plugin; mypy calls this with its version."""
    from n2nfun.mypy_plugin.hooks import LayerPlugin  # noqa: PLC0415 - blueprints are read where there is no mypy

    del version
    return LayerPlugin

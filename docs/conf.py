"""Sphinx: the pages of this folder and a reference of the package, which is read, not imported."""

import os

project = "Ratchet"
author = "the Ratchet authors"
extensions = ["myst_parser", "autodoc2"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Ratchet"
exclude_patterns = ["_build"]
suppress_warnings = ["ref.python"]  # a field called `object` or `range` is not taken for the builtin

autodoc2_packages = [{"path": "../src/ratchet", "auto_mode": True}]
autodoc2_docstring_parser_regexes = [(r".*", "myst")]
autodoc2_output_dir = "api"
autodoc2_hidden_objects = {"private", "inherited"}
autodoc2_render_plugin = "myst"

if os.environ.get("DOCS_ONLINE"):  # links into the five tools' pages, whose inventories are fetched
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "optuna": ("https://optuna.readthedocs.io/en/stable/", None),
        "lightning": ("https://lightning.ai/docs/pytorch/stable/", None),
        "torch": ("https://docs.pytorch.org/docs/stable/", None),
        "omegaconf": ("https://omegaconf.readthedocs.io/en/latest/", None),
    }

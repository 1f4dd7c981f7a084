"""How Sphinx builds the documentation site; see `make docs`.

The source folder is the repository itself, so that one relative link works on the site and where the files are browsed.
"""

from importlib import metadata

project = "reasoning-widget"
author = "reasoning-widget contributors"
copyright = f"2026 {author}"  # noqa: A001 (Sphinx calls it so)
release = metadata.version("reasoning-widget")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["docs/**", "notebooks/*.ipynb", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
exclude_patterns = [".*", "benchmarks", "dist", "docs/_build", "js", "reasoning_widget", "tests"]

myst_heading_anchors = 4
nb_execution_mode = "off"  # `make notebooks` runs them; the site shows what is saved in them

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
default_role = "py:obj"  # docstrings write names in single backticks
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"reasoning-widget {release}"
html_copy_source = False
html_extra_path = ["_root"]
html_static_path = ["_static"]
html_css_files = ["site.css"]

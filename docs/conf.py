"""Sphinx: ``pip install -r docs/requirements.txt && sphinx-build docs build/docs``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "Amazon Connect for Apache Airflow"
author = "The airflow-provider-amazon-connect developers"
extensions = ["myst_parser", "sphinxcontrib.mermaid", "sphinx.ext.autodoc", "sphinx.ext.intersphinx"]
root_doc = "index"
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
intersphinx_mapping = {
    "airflow": ("https://airflow.apache.org/docs/apache-airflow/stable/", None),
    "amazon": ("https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/", None),
    "boto3": ("https://boto3.amazonaws.com/v1/documentation/api/latest/", None),
}

#: By comment, what Sphinx reads instead.
_COMMENTS = {
    r"label: (\S+)": r"(\1)=",
    r"automodule: (\S+)": "```{eval-rst}\n.. automodule:: \\1\n   :members:\n```",
    r"toctree: (\S+)": "```{toctree}\n:hidden:\n:glob:\n\\1\n```",
}


def _comments(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Make labels and directives of comments: Sphinx needs them, and GitHub would show them as text."""
    for comment, directive in _COMMENTS.items():
        source[0] = re.sub(rf"^<!-- {comment} -->$", directive, source[0], flags=re.MULTILINE)


def setup(app: Sphinx) -> None:
    """Register what is ours."""
    app.connect("source-read", _comments)

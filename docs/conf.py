"""
The site of the documentation: ``make docs`` builds it into ``build/docs``.

The pages are Markdown that GitHub shows as well. So what only Sphinx needs stands in comments, and is put in its place
here. The theme is furo: it has search, a dark mode and a layout for phones of its own, loads nothing from other
servers, and needs no JavaScript framework. pydata-sphinx-theme is made for large sites with a bar of sections, and
brings Bootstrap; these pages are one tree.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "Amazon Connect for Apache Airflow"
author = "The airflow-provider-amazon-connect developers"
extensions = ["myst_parser", "sphinx_copybutton"]
root_doc = "index"
exclude_patterns = ["images"]
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
copybutton_exclude = ".linenos, .gp"
myst_heading_anchors = 4

#: By comment, what Sphinx reads instead.
_COMMENTS = {
    r"label: (\S+)": r"(\1)=",
    r"include: (\S+)": "```{include} \\1\n:start-line: 1\n```",  # without its title, which the page has
}


def _comments(_app: Sphinx, page: str, source: list[str]) -> None:
    """Make labels and directives of comments: Sphinx needs them, and GitHub would show them as text."""
    text = source[0]
    for comment, directive in _COMMENTS.items():
        text = re.sub(rf"^<!-- {comment} -->$", directive, text, flags=re.MULTILINE)
    text = re.sub(r"^!\[(.*)\]\((\S+)-light\.png\)$", _for_both_themes, text, flags=re.MULTILINE)
    changelog = r"\1" if page == "changelog" else r"[\1](changelog.md)"
    text = re.sub(r"\[([^\]]+)\]\((?:\.\./)+CHANGELOG\.md\)", changelog, text)
    source[0] = _with_toctrees(text) if page == root_doc or page.endswith("/index") else text


def _for_both_themes(found: re.Match[str]) -> str:
    """Return a picture of the light theme, and the same of the dark one beside it: furo shows one of them."""
    alt, path = found.groups()
    return "\n\n".join(
        f"```{{image}} {path}-{theme}.png\n:class: only-{theme}\n:alt: {alt}\n```" for theme in ("light", "dark")
    )


def _with_toctrees(text: str) -> str:
    """Return an index with the pages that each of its sections links to in the site's navigation."""
    index, mark, pages = text.partition("<!-- toctrees -->\n")
    sections = re.split(r"^## (.+)$", pages, flags=re.MULTILINE)
    for caption, section in zip(sections[1::2], sections[2::2], strict=True):
        found = re.findall(r"\]\((?!\.\./)([\w./-]+)\.md\)", section)
        index += f"## {caption}\n{section.rstrip()}\n\n"
        if found:
            lines = [f":caption: {caption}", ":hidden:", "", *dict.fromkeys(found)]
            index += "```{toctree}\n" + "\n".join(lines) + "\n```\n\n"
    return index if mark else text


def setup(app: Sphinx) -> None:
    """Register what is ours."""
    app.connect("source-read", _comments)

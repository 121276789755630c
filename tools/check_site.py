"""
Check the links of the built site without a network: ``python -m tools.check_site build/docs``.

Each link to a page, a heading, a picture or a file of the site must lead to one. A link to another site must be whole:
https, a host, no blanks. No page may load a script, a style, a font or a picture from another site.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

#: Attributes that hold an address. What the second kind names is loaded with the page.
_LINKED: Final = {("a", "href")}
_LOADED: Final = {("img", "src"), ("script", "src"), ("link", "href"), ("source", "srcset"), ("iframe", "src")}
#: Addresses of examples, which are for the reader's own machine.
_LOCAL: Final = {"127.0.0.1", "localhost"}
#: Pages that Sphinx makes; their links are made by scripts.
_MADE: Final = {"search.html", "genindex.html"}


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[tuple[bool, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif value is not None and (tag, name) in _LINKED | _LOADED:
                self.links.append(((tag, name) in _LOADED, value))


def faults(site: Path) -> list[str]:
    """Return what is wrong with the links of a site, by page."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        for loaded, link in page.links:
            if path.name not in _MADE and (fault := _fault(path, link, pages, loaded=loaded)):
                found.append(f"{path.relative_to(site)}: {link}: {fault}")
    return found


def _fault(path: Path, link: str, pages: dict[Path, _Page], *, loaded: bool) -> str | None:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        if loaded and parts.scheme != "data":
            return "is loaded from another site"
        well_formed = parts.scheme == "https" and parts.hostname and "." in parts.hostname and " " not in link
        local = parts.scheme == "http" and parts.hostname in _LOCAL
        return None if well_formed or local or parts.scheme in ("data", "mailto") else "is not a whole https address"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return "leads to no file"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "leads to no heading"
    return None


def main() -> int:
    """Check the site that is named, print what is wrong, and return the exit code."""
    site = Path(sys.argv[1]).resolve()
    found = faults(site)
    for fault in found:
        print(fault)
    print(f"{len(list(site.rglob('*.html')))} pages, {len(found)} broken links")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

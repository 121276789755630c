"""The pages say what the code does: snippets, tables, links, labels and messages."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import airflow_connect
from tools import generate_docs

CHECKOUT = Path(__file__).parents[1]
PACKAGE = CHECKOUT / "airflow_connect"


PAGES: list[Path] = generate_docs.PAGES
LABEL = re.compile(r"^<!-- label: (\S+) -->\n#+ .+", re.MULTILINE)


def _name(page: Path) -> str:
    return page.name


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _texts(file: Path) -> str:
    """All literals of a module, those that Python joins as one."""
    return "\n".join(
        node.value
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_blocks_are_the_code_s(page: Path) -> None:
    """Snippets and tables are what the code has now; ``make docs`` makes them so."""
    text = page.read_text(encoding="utf-8")
    assert generate_docs.fill(text) == text


def test_every_marker_is_shown() -> None:
    """Each marked part of an example is on a page."""
    markers = {
        f"{file.relative_to(CHECKOUT)} {marker}"
        for file in (CHECKOUT / "dags").glob("*.py")
        for marker in re.findall(r"# \[START (\w+)\]", file.read_text(encoding="utf-8"))
    }
    shown = {
        snippet
        for page in PAGES
        for snippet in re.findall(r"<!-- BEGIN snippet ([^\n]+?) -->", page.read_text(encoding="utf-8"))
    }
    assert markers - shown == set()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a page of ours names a file that is there, and a heading in it."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        other = page.parent / file if file else page
        assert other.exists(), target
        if anchor:
            assert anchor in _anchors(other), target


@pytest.mark.parametrize(
    "module",
    [
        "operators/connect.py",
        "sensors/connect.py",
        "decorators/connect.py",
        "hooks/connect.py",
        "notifications/connect.py",
    ],
)
def test_docstrings_refer_to_a_label(module: str) -> None:
    """Each public operator, sensor, decorator, hook and notifier refers to a label that stands above an example."""
    labels = {label: page for page in PAGES for label in LABEL.findall(page.read_text(encoding="utf-8"))}
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    public = generate_docs.public_names(f"airflow_connect/{module}")
    found = {}
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name in public:
            found[node.name] = re.findall(r":ref:`(howto/[^`]+)`", ast.get_docstring(node) or "")
    assert sorted(found) == sorted(public)
    for name, references in found.items():
        assert references, name
        for label in references:
            assert label in labels, label
            section = labels[label].read_text(encoding="utf-8").partition(f"<!-- label: {label} -->\n")[2]
            assert "```" in section.partition("<!-- label: ")[0], label


def test_every_public_name_is_on_the_reference_page() -> None:
    """What the modules of the public paths export can be looked up, with the module to import it from."""
    page = (CHECKOUT / "docs" / "reference.md").read_text(encoding="utf-8")
    modules = [*PACKAGE.glob("*/connect.py"), PACKAGE / "operators" / "bulk.py", PACKAGE / "testing.py"]
    assert len(modules) >= 10
    for module in modules:
        path = module.relative_to(CHECKOUT)
        names = generate_docs.public_names(str(path))
        assert [name for name in names if f"[`{name}`](../{path})" not in page] == [], path


def test_messages_on_the_page_are_raised() -> None:
    """Each message that the page of errors explains is in the code, word for word."""
    page = (CHECKOUT / "docs" / "errors.md").read_text(encoding="utf-8")
    texts = "\n".join(_texts(file) for file in PACKAGE.rglob("*.py"))
    messages = re.findall(r"^### (.+)$", page, re.MULTILINE)
    assert len(messages) >= 8
    for message in messages:
        assert message in texts, message


def test_changelog_begins_with_this_version() -> None:
    """The newest entry of the changelog is the package's version."""
    changelog = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", changelog, re.MULTILINE)[0] == airflow_connect.__version__

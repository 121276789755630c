"""The pages say what the code does: snippets, tables, links, labels and messages."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import airflow_connect
from airflow_connect.operators.connect import StopContactOperator
from airflow_connect.provider_info import get_provider_info
from airflow_connect.sensors.connect import ContactSensor
from tools import check_site, docstrings, draw_sequences, generate_docs, messages

CHECKOUT = Path(__file__).parents[1]
PACKAGE = CHECKOUT / "airflow_connect"


PAGES: list[Path] = generate_docs.PAGES
LABEL = re.compile(r"^<!-- label: (\S+) -->\n#+ .+", re.MULTILINE)


def _name(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


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


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name == "use-cases"], ids=_name)
def test_every_scenario_has_its_parts(page: Path) -> None:
    """A scenario is in the table; it says what it shows, runs with one command, links to its Dag and can be adapted."""
    text = page.read_text(encoding="utf-8")
    if page.stem == "index":
        linked = set(re.findall(r"^\| \[[^\]]+\]\(([\w-]+)\.md\) \|", text, re.MULTILINE))
        assert linked == {other.stem for other in page.parent.glob("*.md")} - {"index"}
        return
    assert re.findall("^## (.+)$", text, re.MULTILINE) == ["What it shows", "Run it", "The Dag", "Adapt it"]
    [run] = re.findall(r"^make run DAG=(\w+)", text, re.MULTILINE)
    assert (CHECKOUT / "dags" / f"{run}.py").exists()
    [snippet] = re.findall(r"^<!-- BEGIN snippet (dags/\w+\.py) ", text, re.MULTILINE)
    assert f"](../../{snippet})" in text


def _section(label: str) -> tuple[Path, str]:
    """The page that a label stands on, and what follows it up to the next label."""
    for page in PAGES:
        _, found, after = page.read_text(encoding="utf-8").partition(f"<!-- label: {label} -->\n")
        if found:
            return page, after.partition("<!-- label: ")[0]
    raise AssertionError(f"no page has the label {label}")


def _public_classes() -> list[tuple[str, str]]:
    """What authors of Dags use, as module and name: all that Airflow knows of the provider, and the sources of rows."""
    info = get_provider_info()
    modules = [
        module for kind in ("operators", "sensors", "hooks") for one in info[kind] for module in one["python-modules"]
    ]
    found = [
        (module, name) for module in modules for name in generate_docs.public_names(module.replace(".", "/") + ".py")
    ]
    found += [(*one.rpartition(".")[::2],) for one in info["notifications"]]
    found += [(*one["class-name"].rpartition(".")[::2],) for one in info["task-decorators"]]
    return [
        (module, name)
        for module, name in found
        if name.endswith("_task") or (name[0].isupper() and name != "RowSource")
    ]


@pytest.mark.parametrize(("module", "name"), _public_classes(), ids=lambda part: part.rpartition(".")[2])
def test_every_public_class_has_its_place(module: str, name: str) -> None:
    """Its docstring names a page: import line, snippet of an example, arguments, result, errors, permissions."""
    tree = ast.parse((PACKAGE.parent / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    own = [node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name]
    labels = (
        re.findall(r":ref:`(howto/[^`]+)`", ast.get_docstring(own[0]) or "") if own else [f"howto/bulk-input:{name}"]
    )
    assert labels
    page, section = _section(labels[0])
    if name.endswith("_task"):
        assert "import task" in section
        assert "### Arguments" in section
    else:
        assert f"<!-- BEGIN import {module}:{name} -->" in section
        assert re.search(rf"<!-- BEGIN arguments {module}:{name}( \d)? -->\n(?s:.*?)\| `", section)
    assert re.search(r"<!-- BEGIN snippet dags/\w+\.py", section), page
    if name.endswith(("Operator", "Sensor")):
        assert re.search(r"^Returns .+$(?s:.+?)^- Raises `\w+` if ", section, re.MULTILINE), page
        assert f"<!-- BEGIN actions {name} -->" in section, page


def test_table_has_a_default_that_only_the_docstring_marks() -> None:
    """A choice that is marked as the default is in the table's column of defaults, also if the signature has None."""
    [state] = [one for one in docstrings.arguments_of(StopContactOperator) if one.name == "state"]
    assert state.default == "`open`"
    assert "(default)" not in state.text


def test_table_names_types_that_readers_know() -> None:
    """An alias of ours that may also be None is written as what it stands for."""
    [condition] = [one for one in docstrings.arguments_of(ContactSensor) if one.name == "fail_if"]
    assert condition.type == "dict[str, Any] | Callable"


def test_every_label_that_a_docstring_names_is_there() -> None:
    """No docstring refers to a page that does not exist."""
    labels = {label for page in PAGES for label in LABEL.findall(page.read_text(encoding="utf-8"))}
    named = {
        label
        for file in PACKAGE.rglob("*.py")
        for label in re.findall(r":ref:`(howto/[^`]+)`", file.read_text(encoding="utf-8"))
    }
    assert len(named) >= 12
    assert named - labels == set()


def test_every_public_name_is_on_the_reference_page() -> None:
    """What the modules of the public paths export can be looked up, with the module to import it from."""
    page = (CHECKOUT / "docs" / "reference.md").read_text(encoding="utf-8")
    modules = [*PACKAGE.glob("*/connect.py"), PACKAGE / "operators" / "bulk.py", PACKAGE / "testing.py"]
    assert len(modules) >= 10
    for module in modules:
        path = module.relative_to(CHECKOUT)
        dotted = ".".join(path.with_suffix("").parts)
        for name in generate_docs.public_names(str(path)):
            row = re.search(rf"^\| \[?`{name}`.*\| `{re.escape(dotted)}` \|", page, re.MULTILINE)
            assert row or f"from {dotted} import {name}\n" in page, name


@pytest.mark.parametrize("source", sorted(draw_sequences.SOURCES.glob("*.txt")), ids=lambda path: path.stem)
def test_drawings_are_drawn_and_shown(source: Path) -> None:
    """Each drawing is what its description says, and stands on a page."""
    picture = draw_sequences.PICTURES / f"{source.stem}.svg"
    assert picture.read_text(encoding="utf-8") == draw_sequences.drawing(source.read_text(encoding="utf-8"))
    assert any(f"images/{picture.name})" in page.read_text(encoding="utf-8") for page in PAGES)


def test_check_of_the_site_finds_what_is_broken(tmp_path: Path) -> None:
    """A missing page, heading and picture, a bare http address and a foreign script are found, and nothing else is."""
    (tmp_path / "other.html").write_text("<h1 id='there'>There</h1>")
    (tmp_path / "index.html").write_text(
        "<a href='other.html#there'>1</a><a href='#'>2</a><a href='https://airflow.apache.org/'>3</a>"
        "<a href='other.html#gone'>a</a><a href='gone.html'>b</a><img src='gone.svg'>"
        "<a href='http://example.com/'>c</a><script src='https://cdn.example.com/x.js'></script>"
    )
    assert [fault.split(": ", 1)[1] for fault in check_site.faults(tmp_path)] == [
        "other.html#gone: leads to no heading",
        "gone.html: leads to no file",
        "gone.svg: leads to no file",
        "http://example.com/: is not a whole https address",
        "https://cdn.example.com/x.js: is loaded from another site",
    ]


def _core(message: str) -> str:
    """A message without what the code fills in at its ends."""
    return message.strip(" …")


def _literals() -> str:
    """All literal texts of the package, those that Python joins as one."""
    return "\n".join(
        " ".join(node.value.split())
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _explained(page: str = "troubleshooting.md", heading: str = "# Troubleshooting") -> list[str]:
    text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
    section = text.partition(f"{heading}\n")[2].partition(f"\n{heading.split(maxsplit=1)[0]} ")[0]
    firsts = re.findall(r"^\| (`.+?) \| [^|]+ \| .+ \|$", section, re.MULTILINE)
    return [message.replace("\\|", "|") for first in firsts for message in re.findall(r"`([^`]+)`", first)]


def test_every_message_is_explained() -> None:
    """Each message that the code can raise has a row on the page of troubleshooting, with cause and fix."""
    raised = {_core(message) for message in messages.messages()}
    assert len(raised) > 150
    assert sorted(raised - {_core(message) for message in _explained()}) == []


def test_messages_on_the_page_are_raised() -> None:
    """Each message that the page of troubleshooting quotes is in the code."""
    literals = _literals()
    pieces = [[one.strip() for one in message.split("…") if len(one.strip()) >= 15] for message in _explained()]
    assert [parts for parts in pieces if parts and not any(part in literals for part in parts)] == []


def test_warnings_on_the_page_are_logged() -> None:
    """Each warning that the page on several workers quotes is in the code, word for word."""
    literals = re.sub(r"%\.0f|%s|%r|\(%s\)", "", _literals())
    warnings = _explained("workers.md", "## What a task warns about")
    assert len(warnings) == 4
    parts = [part.strip(" ,") for warning in warnings for part in warning.split("…")]
    assert [part for part in parts if part not in literals] == []


#: Words that must not come back into the prose of the pages, and what to write.
WORDS = {
    r"\bDAGs?\b": "Dag",
    r"\btwins?\b": "zombie, or duplicate",
    r"\bwent on as\b": "was transferred to",
    r"\bof whose fate\b|\bnobody knows\b": "it is not known whether",
    r"\b(?:calls|asks|tells) nobody\b": "does not call anybody",
    r"(?<![Tt]here )\b(?:is|are) no (?!longer)\w+|\bare none\b": "is not a",
    r"\b(?:cure|heart)\b": "fix, core",
    r"(?i)\b(?:told|whoever|anew|nevertheless)\b": "reported, logged, set; those who; again; anyway",
    r"\blooks? at what\b": "poll, or read",
}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_pages_use_the_field_s_words(page: Path) -> None:
    """Prose of the pages, without code and what is generated from docstrings, has none of the words above."""
    text = re.sub(r"<!-- BEGIN (?!introduction).*?<!-- END -->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    found = {match[0]: instead for word, instead in WORDS.items() for match in re.finditer(word, text)}
    assert found == {}


#: Words that must not come back into the code and the desk either, and what to write.
WORDS_IN_CODE = {
    r"(?i)\b(?:twins?|cures?|hearts?)\b": "duplicate or zombie, fix, core",
    r"(?i)\b(?:told|whoever)\b": "reported, logged, shown, known; those who",
    r"(?i)\bwent[_ ]on[_ ]as\b": "transferred_to",
    r"(?i)\balready[_ ]made\b|\bhad ended before\b": "already created, had already ended",
    r"(?i)\b(?:make|made|making)s? (?:a |the |no |one |second |new )*contacts?\b": "create",
    r"(?<![Tt]here )\b(?:is|are) no (?:contact|row|number|error|failure|file|template|call)\b|\bare none\b": "is not a",
}


@pytest.mark.parametrize("word", WORDS_IN_CODE)
def test_code_uses_the_field_s_words(word: str) -> None:
    """Names, docstrings, comments and messages of the package, and the desk's texts, have none of the words above."""
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")]
    assert len(files) > 90
    found = [
        f"{file.relative_to(CHECKOUT)}, line {number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(word, line)
    ]
    assert found == [], WORDS_IN_CODE[word]


def test_changelog_begins_with_this_version() -> None:
    """The newest entry of the changelog is the package's version."""
    changelog = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", changelog, re.MULTILINE)[0] == airflow_connect.__version__

"""
Keep what the pages repeat the same as the code: ``make docs`` rewrites it, a test compares.

A page holds blocks between ``<!-- BEGIN name arguments -->`` and ``<!-- END -->``. A snippet is a marked part of an
example that a test runs; a table is made from the table in the code.
"""

from __future__ import annotations

import ast
import enum
import functools
import inspect
import itertools
import json
import re
import sys
import textwrap
import tomllib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_connect.permissions import Permission

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from tools import docstrings  # noqa: E402  # the checkout is on the path now

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"(<!-- BEGIN ([\w-]+)(?: ([^\n]*?))? -->\n).*?(<!-- END -->)", re.DOTALL)

#: What arguments are about, in the order of the tables. What is not named here is the contact's, or of no group.
GROUPS = {
    "Input": ["rows", "contact", "operation"],
    "Identity": ["idempotency_key", "client_token", "retry_unknown"],
    "Checks": ["on_invalid", "on_duplicate", "on_changed_rows", "dry_run"],
    "Pace": ["max_rate", "rate_quota", "max_in_flight", "quota_timeout", "max_retry_time"],
    "Results": ["results_path", "failed_rows_path"],
    "Failure": ["tolerated_failures", "tolerated_failure_percent"],
    "Waiting": [
        "wait_for_completion",
        "waiter_delay",
        "waiter_max_attempts",
        "outcome_attributes",
        "stop_on_kill",
        "deferrable",
    ],
    "Instance and privacy": ["instance_id", "sensitive_fields"],
}
#: Arguments that a table may have without groups.
UNGROUPED = 12


def fill(text: str) -> str:
    """Return a page with its blocks made anew."""

    def block(match: re.Match[str]) -> str:
        begin, name, arguments, end = match.groups()
        return f"{begin}{_BLOCKS[name](*(arguments or '').split())}\n{end}"

    return _BLOCK.sub(block, text)


def main() -> None:
    """Rewrite the pages whose blocks differ from the code."""
    for page in PAGES:  # the README first: another page repeats it
        before = page.read_text(encoding="utf-8")
        after = fill(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{page.relative_to(CHECKOUT)} rewritten\n")


def _snippet(file: str, marker: str) -> str:
    text = (CHECKOUT / file).read_text(encoding="utf-8")
    found = re.search(rf"^ *# \[START {marker}\]\n(.*?)^ *# \[END {marker}\]$", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{file} has no marker {marker}")
    return f"```python\n{textwrap.dedent(found[1]).strip()}\n```"


def _introduction() -> str:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    introduction = text.partition("<!-- START introduction -->\n")[2].partition("\n<!-- END introduction -->")[0]
    # Blocks do not nest, and the pages lie beside each other.
    introduction = re.sub(r"<!-- (BEGIN [^\n]*|END) -->\n", "", introduction)
    # Sphinx copies the pictures of Markdown, and not those of HTML.
    picture = r'<picture>.*?<img alt="([^"]+)" src="docs/([^"]+)">\s*</picture>'
    introduction = re.sub(picture, r"![\1](\2)", introduction, flags=re.DOTALL)
    return introduction.replace("](docs/", "](")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _text_forms() -> str:
    from airflow_connect.api.fields import Written
    from airflow_connect.api.operations import CreateContact

    values: list[tuple[str, Any]] = [
        ("`'text'`", "text"),
        ("`True`", True),
        ("`42`", 42),
        ("`0.1`", 0.1),
        ("`12.0`", 12.0),
        ("`1e-7`", 1e-7),
        ("`Decimal('12.50')`", Decimal("12.50")),
        ("`date(2026, 11, 24)`", date(2026, 11, 24)),
        ("`datetime(2026, 11, 24, 16, tzinfo=UTC)`", datetime(2026, 11, 24, 16, tzinfo=UTC)),
        ("`time(16, 5)`", time(16, 5)),
        ("`UUID('…')`", UUID("b1000000-0000-4000-8000-000000000001")),
        ("`b'K\\xc3\\xb6ln'`, bytes that are UTF-8", b"K\xc3\xb6ln"),
        ("`Team.NORTH`, of `class Team(Enum)`", Enum("Team", {"NORTH": "north"})["NORTH"]),
        ("`12.50` in JSON", Written("12.50")),
        ("`None`", None),
        ("`float('nan')`", float("nan")),
    ]
    rows = []
    for given, value in values:
        params = CreateContact(instance_id="i", channel="TASK", attributes={"a": value}).params()
        sent = params["Attributes"].get("a")
        rows.append([given, "the attribute is left out" if sent is None else f"`{sent}`"])
    return _table(["Given", "Sent"], rows)


def _reference_types() -> str:
    from airflow_connect.api.operations import CreateContact

    values: list[tuple[str, Any]] = [
        ("`'https://example.com/orders/17'`", "https://example.com/orders/17"),
        ("`17`, `'17'`", "17"),
        ("`'0017'` (a leading zero)", "0017"),
        ("`'+41791234567'` (a sign)", "+41791234567"),
        ("`'2026-12-24'`, `date(2026, 12, 24)`", date(2026, 12, 24)),
        ("`'2026-12-24T18:00:00+01:00'`", "2026-12-24T18:00:00+01:00"),
        ("`'kim@example.com'`, `'mailto:kim@example.com'`", "mailto:kim@example.com"),
        ("`'Second floor'`", "Second floor"),
    ]
    rows = []
    for given, value in values:
        params = CreateContact(instance_id="i", channel="TASK", references={"r": value}).params()
        reference = params["References"]["r"]
        rows.append([given, f"`{reference['Type']}`", f"`{reference['Value']}`"])
    return _table(["Given", "Type", "Value on the wire"], rows)


def _import(path: str) -> str:
    """Return the line that imports a public name."""
    module, _, name = path.partition(":")
    docstrings.named(path)
    return f"```python\nfrom {module} import {name}\n```"


def _arguments(path: str, level: str = "4") -> str:
    """Return the arguments of a class or function as tables with headings, and what it returns and raises."""
    found = docstrings.named(path)
    if inspect.isclass(found) and issubclass(found, enum.Enum):
        return _table(["Value", "Means"], _members(inspect.getsource(found)))
    arguments = docstrings.arguments_of(found)
    parts = []
    if len(arguments) <= UNGROUPED or not hasattr(found, "template_fields"):
        parts.append(_argument_table(arguments))
    else:
        group_of = {name: group for group, names in GROUPS.items() for name in names}
        own = "Other" if "rows" in {one.name for one in arguments} else "Contact"
        for group in [own, *GROUPS] if own == "Contact" else [*GROUPS, own]:
            members = [one for one in arguments if group_of.get(one.name, own) == group]
            if members:
                parts.append(f"{'#' * int(level)} {group}\n\n{_argument_table(members)}")
    returned, raised = docstrings.outcome_of(found)
    if returned:
        parts.append(f"Returns {returned.rstrip('.')}.")
    if raised:
        parts.append("\n".join(f"- Raises `{error}` {when.rstrip('.')}." for error, when in raised))
    return "\n\n".join(filter(None, parts))


def _argument_table(arguments: list[docstrings.Argument]) -> str:
    with_templates = any(one.templated for one in arguments)
    head = ["Argument", "Type", "Default", *(["Templated"] if with_templates else []), "What it does"]
    rows = []
    for one in arguments:
        kind = f"`{one.type}`" if one.type else ""
        templated = ["yes" if one.templated else ""] if with_templates else []
        rows.append([f"`{one.name}`", kind, one.default, *templated, one.text])
    return _table(head, rows) if rows else ""


def _api(path: str, *names: str) -> str:
    """Return each public name of a module: import line, what it is, what it takes."""
    module = path.removesuffix(".py").replace("/", ".")
    parts = []
    for name in names or public_names(path):
        full = f"{module}:{name}"
        parts += [f"### {name}", docstrings.summary_of(docstrings.named(full)), _import(full), _arguments(full)]
    return "\n\n".join(filter(None, parts))


def _methods(path: str) -> str:
    """Return the public properties and methods of a class as a table."""
    found = docstrings.named(path)
    rows = []
    for name, member in vars(found).items():
        if isinstance(member, (property, functools.cached_property)) and not name.startswith("_"):
            rows.append([f"`{name}`", docstrings.summary_of(member)])
            continue
        function = getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(function) and inspect.getdoc(function):
            arguments = ", ".join(str(one).split(":")[0] for one in inspect.signature(function).parameters.values())
            arguments = arguments.removeprefix("self").removeprefix("cls").removeprefix(", ").replace("*, ", "")
            rows.append([f"`{name}({arguments})`", docstrings.summary_of(function)])
    return _table(["Method or property", "What it does"], rows)


def _configuration() -> str:
    """Return the options of Airflow's configuration, as the provider declares them."""
    from airflow_connect.provider_info import get_provider_info

    rows = []
    for section, content in get_provider_info()["config"].items():
        for name, option in content["options"].items():
            variable = f"AIRFLOW__{section.upper()}__{name.upper()}"
            default = f"`{option['default']}`" if option["default"] not in (None, "") else ""
            rows.append([f"`{name}`", option["type"], default, f"`{variable}`", option["description"]])
    return _table(["Option", "Type", "Default", "Environment variable", "What it does"], rows)


#: By parameter of a call, what it names, as in the ARN.
_RESOURCES = {
    "ContactId": "contact",
    "InitialContactId": "contact",
    "PreviousContactId": "contact",
    "RelatedContactId": "contact",
    "ContactFlowId": "contact-flow",
    "QueueId": "queue",
    "UserId": "agent",
    "UserInfo": "agent",
    "QuickConnectId": "transfer-destination",
    "TaskTemplateId": "task-template",
}


def _permissions() -> str:
    """Return the actions that the calls of operators need, by whom and when, and what the calls name."""
    from airflow_connect.api.operations import operation_named
    from airflow_connect.permissions import PERMISSIONS

    used_by: dict[tuple[str, str], list[str]] = {}
    for operator, permissions in PERMISSIONS.items():
        for permission in permissions:
            used_by.setdefault((permission.action, permission.when), []).append(f"`{operator}`")
    rows = []
    for (action, when), operators in used_by.items():
        others = [f"`{one}`" for one in PERMISSIONS if f"`{one}`" not in operators]
        users = ", ".join(operators) if len(others) > 1 else f"all but {others[0]}"
        below = [_RESOURCES[member] for member in operation_named(action).identifying if member in _RESOURCES]
        resources = ", ".join(["the instance", *(f"`{one}`" for one in dict.fromkeys(below))])
        rows.append([users, f"`connect:{action}`", when, resources])
    return _table(["Used by", "Action", "When", "The call names"], rows)


def _actions(operator: str) -> str:
    """Return in a sentence what the role needs for an operator."""
    from airflow_connect.permissions import PERMISSIONS

    def listed(permissions: Iterable[Permission]) -> str:
        return ", ".join(f"`connect:{one.action}`" for one in permissions if one.action != "DescribeInstance")

    needed = PERMISSIONS[operator]
    actions = listed(one for one in needed if not one.by_argument)
    links = "; `connect:DescribeInstance` for the links" if "DescribeInstance" in {one.action for one in needed} else ""
    more = listed(one for one in needed if one.by_argument)
    besides = f" Some arguments need more: {more}." if more else ""
    return f"Needs {actions}{links}.{besides} See [Permissions](permissions.md)."


def _policy() -> str:
    """Return the policy that allows all that any operator calls."""
    from airflow_connect.permissions import PERMISSIONS, policy

    used = {permission.action for permissions in PERMISSIONS.values() for permission in permissions}
    return f"```json\n{json.dumps(policy(used), indent=2)}\n```"


def _errors() -> str:
    from airflow_connect.api import answers
    from airflow_connect.api.operations import CreateContact

    sorted_as: dict[tuple[str, str], list[str]] = {}
    tables = [
        *answers._BY_CODE.items(),
        *((name, entry) for name, (entry, _) in answers._BY_BOTOCORE_NAME.items()),
        ("SSLError: certificate verify failed", answers._UNTRUSTED),
        ("EndpointConnectionError: the name does not resolve, nothing was answered before", answers._UNKNOWN_HOST),
        ("EndpointConnectionError: AWS STS, nothing was answered before", answers._NO_CREDENTIALS_SERVICE),
    ]
    for code, (kind, advice) in tables:
        advice = answers._filled(  # noqa: PLW2901
            advice.replace("{operation}", "*the operation*"), CreateContact, may_have_happened=True
        )
        sorted_as.setdefault((kind.__name__, advice), []).append(f"`{code}`")
    rows = [[", ".join(sorted(codes)), f"`{kind}`", advice] for (kind, advice), codes in sorted(sorted_as.items())]
    return _table(["Code", "Error", "What it says to do"], rows)


def _kinds(module: str) -> str:
    """Return the members of a module's enum of kinds, with the comments above them."""
    source = (CHECKOUT / "airflow_connect" / "emulator" / f"{module}.py").read_text(encoding="utf-8")
    return _table(["Kind", "What happens"], _members(source))


def _members(source: str) -> list[list[str]]:
    """Return the members of enums, each with the comment above it."""
    members = re.findall(r'^    #: (.+)\n    [A-Z_0-9]+ = "(\w+)"$', source, re.MULTILINE)
    return [[f"`{value}`", comment] for comment, value in members]


def _cli() -> str:
    from airflow_connect.emulator.__main__ import _parser

    rows = []
    for action in _parser()._actions:
        if action.dest != "help":
            option = f"`{action.option_strings[-1]} {action.metavar or action.dest.upper().replace('-', '_')}`"
            default = "" if action.default in (None, "", ()) else f"`{action.default}`"
            rows.append([option, default, str(action.help)])
    return _table(["Option", "Default", "Meaning"], rows)


def _resources() -> str:
    from airflow_connect.emulator import resources

    instance = resources.Instance()
    rows = [["Instance", instance.alias, f"`{instance.id}`", f"in `{instance.region}`"]]
    for kind, members in (
        ("Flow", instance.flows),
        ("Queue", instance.queues),
        ("User", instance.users),
        ("Quick connect", instance.quick_connects),
        ("Task template", instance.task_templates),
    ):
        rows.extend([kind, one.name, f"`{one.id}`", _goes_to(one, instance)] for one in members.values())
    return _table(["Kind", "Name", "ID", ""], rows)


def _goes_to(resource: Any, instance: Any) -> str:
    from airflow_connect.emulator import resources

    if isinstance(resource, resources.Flow):
        queue = instance.queues[resource.queue_id].name if resource.queue_id else None
        return f"`{resource.kind}`, {f'to the queue {queue}' if queue else 'ends the contact'}"
    if isinstance(resource, resources.Queue):
        return f"calls from {resource.phone_number}"
    if isinstance(resource, resources.QuickConnect):
        queue = instance.queues.get(resource.queue_id)
        return f"to {f'the queue {queue.name}' if queue else f'the user {instance.users[resource.user_id].name}'}"
    if isinstance(resource, resources.TaskTemplate):
        return f"runs {instance.flows[resource.flow_id].name}" if resource.flow_id else "has no flow"
    return ""


def _versions() -> str:
    configuration = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    matrix = configuration["tool"]["airflow_connect"]["matrix"]
    rows = [
        ["Tested on Airflow", *(row["airflow"] for row in matrix)],
        ["Tested on Python", *(", ".join(row["python"]) for row in matrix)],
    ]
    releases = [tuple(int(part) for part in row["airflow"].split(".")[:2]) for row in matrix]
    before_3 = {(2, 11)}
    before_store = {(2, 11), (3, 0), (3, 1), (3, 2)}
    for feature, lacking in (
        ("Operators, `@task.create_contact`, links, `sensitive_fields`", set()),
        ("`ContactNotifier` in callbacks of Dags and tasks; asset events with counts; OpenLineage", set()),
        ("`ContactNotifier` in deadline alerts", {(2, 11), (3, 0)}),
        ("[Contacts tab](contacts-tab.md) in Airflow's UI", {(2, 11), (3, 0)}),
        ("`ContactNotifier` in a callback of a Dag: the contact names the tasks that failed", {(3, 0)}),
        ("[Contact events](events.md) start a Dag", before_3),
        ("Links of mapped task instances, also in Airflow's public API", before_3),
        ("Airflow retries a task whose process was killed", {(3, 0)}),
        ("[Exactly once](exactly-once.md) also after Amazon forgot the client token (task state store)", before_store),
        ("[`stop_on_kill`](waiting.md#when-the-task-is-killed) of a deferred task: after a clear, too", before_store),
        ("A template that renders other content is found before the call, with the names of the fields", before_store),
    ):
        rows.append([feature, *("no" if release in lacking else "yes" for release in releases)])
    head = ["", *(".".join(str(part) for part in release) for release in releases)]
    return _table(head, rows)


def _reference(*modules: str) -> str:
    """
    Return the public names of modules with the first sentence of their docstrings.

    :param modules: paths; with ``:Error`` behind it, only the names that end so
    """
    rows = []
    for argument in modules:
        path, _, end = argument.partition(":")
        module = path.removesuffix(".py").replace("/", ".")
        names = [name for name in public_names(path) if name.endswith(end)]
        rows += [[_linked(f"{module}:{name}"), f"`{module}`", _summary(path, name)] for name in names]
    return _table(["Name", "Import it from", "What it is"], rows)


def _linked(path: str) -> str:
    """Return a public name with a link to the page that has its arguments, if another page has them."""
    name = path.partition(":")[2]
    for page in PAGES:
        before, found, _ = page.read_text(encoding="utf-8").partition(f"<!-- BEGIN arguments {path} ")
        if found:
            heading = re.findall(r"^#+ (.+)$", before.rpartition(f"<!-- BEGIN import {path} -->")[0], re.MULTILINE)[-1]
            anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            return f"[`{name}`]({page.relative_to(CHECKOUT / 'docs').as_posix()}#{anchor})"
    return f"`{name}`"


def _summary(path: str, name: str) -> str:
    tree = ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))
    lazily = [node.body for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    for node in itertools.chain(tree.body, *lazily):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            summary = " ".join((ast.get_docstring(node) or "").strip().partition("\n\n")[0].split())
            return re.sub(r":\w+:`~?\.?([^`]+)`", r"`\1`", summary).replace("``", "`")
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            module = str(node.module).replace(".", "/")
            is_package = (CHECKOUT / module).is_dir()
            return _summary(f"{module}/__init__.py" if is_package else f"{module}.py", name)
    raise ValueError(f"{path} does not define {name}")


def public_names(path: str) -> list[str]:
    """Return the ``__all__`` of a module."""
    for node in ast.parse((CHECKOUT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    raise ValueError(f"{path} has no __all__")


_BLOCKS: dict[str, Callable[..., str]] = {
    "reference": _reference,
    "snippet": _snippet,
    "introduction": _introduction,
    "text-forms": _text_forms,
    "reference-types": _reference_types,
    "actions": _actions,
    "policy": _policy,
    "permissions": _permissions,
    "configuration": _configuration,
    "import": _import,
    "arguments": _arguments,
    "api": _api,
    "methods": _methods,
    "errors": _errors,
    "kinds": _kinds,
    "cli": _cli,
    "resources": _resources,
    "versions": _versions,
}

if __name__ == "__main__":
    main()

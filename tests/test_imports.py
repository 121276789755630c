"""Which module may import which, and what an import of the light ones costs; read from the source of the package."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = Path(__file__).parents[1] / "airflow_connect"

#: A module or a folder of the package, and what it may import of the others: this is the order of the house.
CORE: Final = {
    "_compat": {"_frames", "_templates", "api"},
    "_frames": {"api"},
    "_templates": {"api"},
    "api": set(),
    "calls": {"api"},
    "record": {"_compat", "api", "calls"},
    "bulk": {"_compat", "_templates", "api", "calls", "record"},
    "waiting": {"_compat", "api", "calls", "record"},
    "hooks": {"_compat", "api", "calls"},
    "emulator": set(),
    "testing": {"emulator"},
    "permissions": {"api"},
    "provider_info": set(),
}
#: What Airflow sees; each of them may import all of the core but the emulator, and the public names of the others.
SHOWN: Final = {
    "_task",
    "assets",
    "decorators",
    "links",
    "notifications",
    "operators",
    "plugins",
    "sensors",
    "triggers",
}
MAY_IMPORT: Final = (
    CORE
    | dict.fromkeys(SHOWN, (CORE.keys() | SHOWN) - {"emulator", "testing"})
    | {"__main__": CORE.keys()}  # the command line
)

#: Modules that a Dag file may import without paying for a client, a database, a store or Airflow's own start.
LIGHT: Final = ("api", "calls", "record", "bulk", "waiting")
HEAVY: Final = {"airflow", "boto3", "botocore", "fsspec", "numpy", "pandas", "pyarrow", "sqlite3", "starlette", "upath"}


def room(module: str) -> str:
    """Return the folder of the package, or the module in it, that a dotted name leads to."""
    return module.split(".")[1]


def imports(file: Path) -> Iterator[tuple[str, str]]:
    """Yield module and name of all that a file imports of the package, wherever in the file it does so."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE.name:
            assert node.level == 0
            for alias in node.names:
                path = PACKAGE.parent.joinpath(*str(node.module).split("."))
                if (path / alias.name).is_dir() or (path / f"{alias.name}.py").exists():
                    yield f"{node.module}.{alias.name}", ""
                elif node.module != PACKAGE.name:
                    yield str(node.module), alias.name
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith(f"{PACKAGE.name}."))


@functools.cache
def public_names(module: str) -> set[str] | None:
    """Return a module's ``__all__``, ``None`` if it has no such list."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return None


def crossings() -> Iterator[tuple[str, Path, str, str]]:
    """Yield what each file imports of another room: its own room, the file, the module and the name."""
    for file in sorted(PACKAGE.rglob("*.py")):
        own = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for module, name in imports(file):
            if room(module) != own:
                yield own, file, module, name


def test_every_room_has_its_place() -> None:
    """A new folder or module of the package is given its place here."""
    found = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert found - {"__init__", "__pycache__", "py.typed"} - MAY_IMPORT.keys() == set()


def test_imports_keep_their_direction() -> None:
    """What stands lower knows nothing of what stands above it, and nothing but the fixture knows the emulator."""
    wrong = [
        f"{file.relative_to(PACKAGE)} imports {module}"
        for own, file, module, _ in crossings()
        if own != "__init__" and room(module) not in MAY_IMPORT[own]
    ]
    assert wrong == []


def test_imports_take_public_names() -> None:
    """What a room takes of another is in the ``__all__`` of the module that has it."""
    wrong = [
        f"{file.relative_to(PACKAGE)} imports {module}.{name}"
        for _, file, module, name in crossings()
        if name and (name.startswith("_") or name not in (public_names(module) or {name}))
    ]
    assert wrong == []


def test_light_modules_import_nothing_heavy() -> None:
    """A Dag file's import stays cheap: clients, stores and databases are imported where they are used."""
    modules = [
        ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
        for name in LIGHT
        for file in sorted((PACKAGE / name).rglob("*.py"))
        if file.name != "__init__.py"
    ]
    program = (
        "import importlib, sys\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        f"    if found := sorted({HEAVY} & sys.modules.keys()):\n"
        "        sys.exit(f'{module} imports {found}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


#: What a task needs when it runs: a Dag file, which is parsed every 30 seconds, does not.
AT_RUN_TIME: Final = (
    "airflow_connect.api.answers",
    "airflow_connect.api.quoting",
    "airflow_connect.assets",
    "airflow_connect.bulk.live",
    "airflow_connect.bulk.outbox",
    "airflow_connect.bulk.plan",
    "airflow_connect.bulk.report",
    "airflow_connect.bulk.send",
    "airflow_connect.bulk.sources.database_words",
    "airflow_connect.bulk.sources.parquet_files",
    "airflow_connect.bulk.template",
    "airflow_connect.calls.clock",
    "airflow_connect.calls.each",
    "airflow_connect.calls.pace",
    "airflow_connect.calls.retry",
    "airflow_connect.calls.sharing",
    "airflow_connect.record",
    "airflow_connect.triggers",
    "airflow_connect.waiting.act",
    "airflow_connect.waiting.wait",
    "airflow_connect.waiting.watch",
    "difflib",
    "fractions",
    "pyarrow",
    "sqlite3",
)


def assert_succeeds(program: str) -> None:
    """Run a program in a process of its own, which has imported nothing."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]


def test_a_dag_file_does_not_import_what_only_a_task_needs() -> None:
    """Every file of Dags is parsed again and again: what calls, plans, records and waits is imported where it runs."""
    program = (
        "import importlib, sys\n"
        "import airflow.providers.amazon.aws.operators.base_aws\n"
        "before = set(sys.modules)\n"
        "for name in ('operators.bulk', 'operators.connect', 'decorators.connect', 'notifications.connect',\n"
        "             'sensors.connect'):\n"
        "    importlib.import_module(f'airflow_connect.{name}')\n"
        f"if found := sorted(name for name in set(sys.modules) - before if name.startswith({AT_RUN_TIME})):\n"
        "    sys.exit(str(found))\n"
        "from airflow_connect.operators.bulk import count_results, export_results, read_results\n"
        "import airflow_connect.operators.bulk\n"
        "for name in airflow_connect.operators.bulk.__all__:\n"
        "    getattr(airflow_connect.operators.bulk, name)\n"
        "if hasattr(airflow_connect.operators.bulk, 'read_result'):\n"
        "    sys.exit('read_result is a name')\n"
    )
    assert_succeeds(program)


def test_trigger_brings_nothing_heavy_to_a_triggerer() -> None:
    """A triggerer imports a trigger in its event loop, where all others wait: boto3 comes in a thread, later."""
    program = (
        "import sys\n"
        "import airflow.jobs.triggerer_job_runner\n"
        "before = set(sys.modules)\n"
        "import airflow_connect.triggers.connect\n"
        "heavy = ('airflow.providers.amazon', 'boto3', 'botocore', 'requests', 's3transfer', 'sqlite3', 'urllib3')\n"
        "if found := sorted(name for name in set(sys.modules) - before if name.startswith(heavy)):\n"
        "    sys.exit(str(found))\n"
    )
    assert_succeeds(program)


#: Where the name of a distribution is not that of the package that it brings.
DISTRIBUTIONS: Final = {
    "airflow": "apache-airflow",
    "airflow.providers.amazon": "apache-airflow-providers-amazon",
    "airflow.providers.common.compat": "apache-airflow-providers-common-compat",
    "airflow.providers.openlineage": "apache-airflow-providers-openlineage",
    "yaml": "pyyaml",
}
#: What is declared in an extra, by the modules that may need it.
EXTRAS: Final = {
    "emulator/": "emulator",
    "testing.py": "testing",
    "assets/lineage.py": "openlineage",
    "bulk/sources/parquet_files.py": "parquet",
    "bulk/sources/sql.py": "openlineage",
    "record/results.py": "parquet",
}
#: What Airflow's API server is made of, and the plugin that it mounts: its versions are for Airflow alone to say.
OF_AIRFLOW: Final = {"fastapi", "sqlalchemy"}


def distribution(module: str) -> str:
    """Return the name of the distribution that brings a module."""
    parts = module.split(".")
    depth = (4 if parts[2] == "common" else 3) if module.startswith("airflow.providers.") else 1
    return DISTRIBUTIONS.get(".".join(parts[:depth]), parts[0])


def third_party(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports from neither the package nor the standard library."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module)]
        known = {*sys.stdlib_module_names, PACKAGE.name}
        yield from (name for name in names if name.partition(".")[0] not in known)


def test_what_is_imported_is_declared() -> None:
    """Nothing is there only because another distribution happens to need it."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    declared = {
        extra: {re.split(r"[\[<>=]", line)[0] for line in lines}
        for extra, lines in {"": project["dependencies"], **project["optional-dependencies"]}.items()
    }
    undeclared = set()
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        extras = [extra for start, extra in EXTRAS.items() if name.startswith(start)]
        allowed = set().union(declared[""], *(declared[extra] for extra in extras))
        allowed |= OF_AIRFLOW if name.startswith("plugins/") else set()
        undeclared |= {
            f"{name} imports {module}" for module in third_party(file) if distribution(module) not in allowed
        }
    assert undeclared == set()
    # Airflow's next version is tried by whoever has it, and not refused by a number.
    assert not [line for line in project["dependencies"] if "<" in line]

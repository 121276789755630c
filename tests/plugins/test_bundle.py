"""The bundle that Airflow's UI loads: it is what ``tools/ui/`` builds, small, and needs nothing from elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

pytest_plugins = ("tests.sdks",)

CHECKOUT: Final = Path(__file__).parents[2]
UI: Final = CHECKOUT / "tools" / "ui"
BUNDLE: Final = CHECKOUT / "airflow_connect" / "plugins" / "static" / "contacts.js"
#: Kibibytes that a person loads before anything is seen.
LARGEST: Final = 64


def test_bundle_names_the_sources_it_was_built_of() -> None:
    """Who changes ``tools/ui/src`` runs ``make ui``; this finds a bundle of other sources without npm."""
    digest = hashlib.sha256()
    files = [UI / "build.mjs", UI / "package.json", *(UI / "src").iterdir()]
    for path in sorted(files, key=lambda path: path.relative_to(UI).as_posix()):
        digest.update(path.relative_to(UI).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    named = re.search(r"sources ([0-9a-f]{64})", BUNDLE.read_text(encoding="ascii"))
    assert named is not None
    assert named[1] == digest.hexdigest(), "tools/ui/ has changed since the bundle was built: run make ui"


def test_build_gives_the_bundle(ui_packages: Path, tmp_path: Path) -> None:
    """The same bytes on every machine, and sources whose types are right."""
    for name in ("build.mjs", "package.json", "tsconfig.json"):
        shutil.copy(UI / name, tmp_path)
    shutil.copytree(UI / "src", tmp_path / "src")
    (tmp_path / "node_modules").symlink_to(ui_packages)
    built = tmp_path / "contacts.js"
    for command in (["node", "build.mjs", str(built)], ["node", "node_modules/typescript/bin/tsc", "--noEmit"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert built.read_bytes() == BUNDLE.read_bytes()


def test_bundle_is_small_and_loads_nothing_from_elsewhere() -> None:
    """No content delivery network, no other host, no code made of text: a strict policy of the page lets it run."""
    text = BUNDLE.read_text(encoding="ascii")
    assert len(text) < LARGEST * 1024
    assert "://" not in text
    for dangerous in ("eval(", "new Function", "innerHTML", "dangerouslySetInnerHTML", "document.write", "insertRule"):
        assert dangerous not in text


def test_each_package_has_one_version() -> None:
    """The build is the same everywhere, without a lock file, which names where packages were fetched."""
    versions = json.loads((UI / "package.json").read_text())["devDependencies"]
    assert {name: version for name, version in versions.items() if not re.fullmatch(r"[0-9.]+", version)} == {}
    assert not (UI / "package-lock.json").exists()

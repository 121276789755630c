"""Programs that start together end together, whatever ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.until import until
from tools.programs import Programs, descendants

# A program that ends only when it is killed, with a child in a session of its own.
STUBBORN = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "300"], start_new_session=True)
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(300)
"""


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def stubborn(tmp_path: Path) -> tuple[list[str], Path]:
    """A command that does not end when it is asked to, and the file that names its child."""
    child = tmp_path / "child"
    return [sys.executable, "-c", STUBBORN, str(child)], child


def _child(file: Path) -> int:
    until(lambda: file.exists() and file.read_text())
    return int(file.read_text())


def test_stop_leaves_no_descendant(tmp_path: Path, stubborn: tuple[list[str], Path]) -> None:
    """A program that ignores SIGTERM is killed, and so is its child in another session."""
    command, child = stubborn
    programs = Programs(tmp_path / "set", grace=0.2)
    programs.start({"stubborn": command}, env=os.environ)
    pid = _child(child)
    assert _runs(pid)

    programs.stop()

    assert not _runs(pid)
    assert programs.running_pid() is None


def test_programs_end_when_their_caller_is_killed(tmp_path: Path, stubborn: tuple[list[str], Path]) -> None:
    """SIGKILL of the process that started the programs ends them."""
    command, child = stubborn
    code = (
        "import os, sys, time; from pathlib import Path; from tools.programs import Programs\n"
        f"Programs(Path({str(tmp_path / 'set')!r}), grace=0.2).start({{'one': {command!r}}}, env=os.environ)\n"
        "time.sleep(60)"
    )
    caller = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    pid = _child(child)

    caller.send_signal(signal.SIGKILL)
    caller.wait()

    until(lambda: not _runs(pid))
    assert not _runs(pid)


def test_one_that_ends_ends_the_others(tmp_path: Path) -> None:
    """When a program ends by itself, the set ends, and says which one it was and what it said last."""
    programs = Programs(tmp_path)
    programs.start({"long": ["sleep", "300"], "short": ["sh", "-c", "echo goodbye; exit 3"]}, env=os.environ)

    until(programs.failure)

    assert programs.failure() == "short ended with exit code 3"
    assert programs.log_tail("short") == "goodbye"
    until(lambda: programs.running_pid() is None)
    programs.stop()


def test_what_ended_is_said_before_the_others_have_ended(tmp_path: Path, stubborn: tuple[list[str], Path]) -> None:
    """Who asks a server that ends with the others learns which program it was, however long the others take."""
    command, child = stubborn
    programs = Programs(tmp_path / "set", grace=60)
    programs.start(
        {"stubborn": command, "short": ["sh", "-c", f"until test -s {child}; do sleep 0.05; done; exit 3"]},
        env=os.environ,
    )

    until(programs.failure)

    assert programs.failure() == "short ended with exit code 3"
    keeper = programs.running_pid()
    assert keeper is not None
    for pid in descendants(keeper):
        os.kill(pid, signal.SIGKILL)
    programs.stop()


# A detached set outlives the object that started it.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_detached_programs_are_found_by_their_directory(tmp_path: Path) -> None:
    """A detached set is known to run, is not started twice, and is ended, by whoever names its directory."""
    Programs(tmp_path).start({"long": ["sleep", "300"]}, env=os.environ, detached=True)
    later = Programs(tmp_path)
    until(later.running_pid)

    with pytest.raises(RuntimeError, match="already has programs running"):
        later.start({"long": ["sleep", "300"]}, env=os.environ)
    later.stop()
    later.stop()

    assert later.running_pid() is None

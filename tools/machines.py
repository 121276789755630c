"""
Machines of a network, on this one: processes that share neither a network nor a disk with those of another machine.

    worker-one ──house──┐                      ┌──house── worker-two
        │               bridge: Airflow's services            │
        └──world─────── bridge: Amazon ─────────────world─────┘

Each is a set of Linux namespaces, which only root may make. Where they are not allowed, a machine is a user
of its own with a folder of its own, or, where this process is not root, a folder: then nothing can be cut off. Knows
nothing of Airflow.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tools.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Sequence

LOCALHOST = "127.0.0.1"
_FIRST_USER = 64_001

_TRY = """
set -e
ip link add bridge type bridge
ip link add one type veth peer name two
mount -t tmpfs tmpfs /mnt
hostname machine
"""

_BRIDGE = """
ip link add {bridge} type bridge
ip address add {address}/25 dev {bridge}
ip link set {bridge} up
"""

_LINK = """
ip link add {link} type veth peer name {network} netns {machine}
ip link set {link} master {bridge} up
ip -n {machine} address add {address}/25 dev {network}
ip -n {machine} link set {network} up
"""


class Machines:
    """
    A network of machines, from entering a ``with`` block to leaving it, or until this process ends, however it ends.

    :param names: What the machines are called.
    """

    def __init__(self, *names: str) -> None:
        self.names = names
        self.are_namespaces = are_namespaces_allowed()
        self._folder = Path(tempfile.mkdtemp(prefix="machines-"))
        self._programs = Programs(self._folder)
        self._number = _free_number() if self.are_namespaces else 0
        #: The address at which machines reach what belongs to the house.
        self.house = f"198.18.{self._number}.1" if self.are_namespaces else LOCALHOST
        #: The address at which they reach what is in the world.
        self.world = f"198.18.{self._number}.129" if self.are_namespaces else LOCALHOST

    def __enter__(self) -> Self:
        if self.are_namespaces:
            script = f"{self._script()}touch {shlex.quote(str(self._folder / 'ready'))}\nsleep infinity & wait\n"
            self._programs.start({"network": ["sh", "-c", script]}, env=os.environ)
            while not (self._folder / "ready").exists():
                if failure := self._programs.failure():
                    raise RuntimeError(f"There is no network: {failure}\n{self._programs.log_tail('network')}")
                time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._programs.stop()
        shutil.rmtree(self._folder)

    def command(self, machine: str, command: Sequence[str], *, disk: Path) -> list[str]:
        """
        Return the command line that runs a command on a machine.

        :param machine: The machine's name, which is its host name too.
        :param command: The command.
        :param disk: A folder of which each machine has its own, which is empty when the command starts.
        """
        disk.mkdir(parents=True, exist_ok=True)
        if self.are_namespaces:
            script = f'hostname {machine}; mount -t tmpfs tmpfs {shlex.quote(str(disk))}; exec "$@"'
            inside = ["unshare", "--uts", "sh", "-ec", script, machine, *command]
            return ["ip", "netns", "exec", self._name(machine), *inside]
        if os.geteuid() == 0:
            user = _FIRST_USER + self.names.index(machine)
            os.chown(disk, user, user)
            return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
        return list(command)

    def cut_off(self, machine: str) -> None:
        """Cut a machine off from the house: what it sends there is lost without a word. It still reaches the world."""
        self._set(machine, "down")

    def connect(self, machine: str) -> None:
        """Connect a machine with the house again."""
        self._set(machine, "up")

    def _set(self, machine: str, state: str) -> None:
        assert self.are_namespaces, "nothing can be cut off without namespaces"
        subprocess.run(["ip", "link", "set", self._link("h", machine), state], check=True)

    def _name(self, machine: str) -> str:
        return f"machines-{self._number}-{machine}"

    def _link(self, network: str, machine: str) -> str:
        # An interface's name has 15 characters at most.
        return f"mc{self._number}-{network}{self.names.index(machine)}"

    def _script(self) -> str:
        """Return what makes the network, and removes it when it is asked to end."""
        bridges = {"house": f"mc{self._number}-house", "world": f"mc{self._number}-world"}
        end = [f"ip link delete {bridge}" for bridge in bridges.values()]
        end += [f"ip netns delete {self._name(machine)}" for machine in self.names]
        # Each of them may not be there yet.
        script = f"trap '{'; '.join(end)}' EXIT\ntrap 'exit 0' TERM\nset -e\n"
        script += _BRIDGE.format(bridge=bridges["house"], address=self.house)
        script += _BRIDGE.format(bridge=bridges["world"], address=self.world)
        for number, machine in enumerate(self.names, 2):
            name = self._name(machine)
            script += f"ip netns add {name}\nip -n {name} link set lo up\n"
            for network, first in (("house", 0), ("world", 128)):
                script += _LINK.format(
                    link=self._link(network[0], machine),
                    network=network,
                    machine=name,
                    bridge=bridges[network],
                    address=f"198.18.{self._number}.{first + number}",
                )
        return script


def are_namespaces_allowed() -> bool:
    """Return whether this process may make networks and disks of its own."""
    with contextlib.suppress(OSError):
        command = ["unshare", "--net", "--mount", "--uts", "sh", "-c", _TRY]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    return False


def _free_number() -> int:
    """Return a number whose addresses nobody has here: of those that are for tests of networks (RFC 2544)."""
    taken = subprocess.run(["ip", "-o", "address"], capture_output=True, text=True, check=True).stdout
    start = os.getpid()
    return next(number % 256 for number in itertools.count(start) if f" 198.18.{number % 256}." not in taken)

"""
Which share of a quota is a task's, where tasks see each other: all that is decided about it.

While a task sends, it says every few seconds in a small file how fast it is; it lists the files of the others, and
reads those that have changed. :class:`~airflow_connect.record.peers.Peers` does that, in a thread of its own; this
module knows no clock, no thread and no file.

::

    Pace.says ──► Sharing.to_write ──► own file
    list of files ──► Sharing.to_read ──► Sharing.read ──► Sharing.group ──► Pace.hear

Nobody is in charge, and nothing that a file says is trusted:

- A file counts while it is *seen to change*. No time that somebody else has written is compared.
- Each task moves to an equal share of what all of them get, or of what those leave that want less
  (:func:`fair_share`). What all get is the mean of what it takes it for itself, and of what those say whose files it
  has just read, so that all come to agree without reading all files.
- A task that joins takes their word for the quota, and waits with most of its share until they have seen it.
- While everything is throttled, one of them probes: the one whose file's name is first.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["BEAT", "LONGEST_FILE", "READS", "Group", "Said", "Sharing", "fair_share"]

#: Seconds between two rewrites of a task's file. The others know of what has changed after 2.5 s in the mean.
BEAT: Final = 5.0

#: Seconds after which a task writes for the first time: one that is done by then has nothing to say. After 5 s, one
#: that joins gets 0.58 of its share in the first 20 s instead of 0.93.
FIRST_WRITE: Final = 1.0

#: Seconds between two beats at most, while the files cannot be read: a store that is ill is asked for less.
LONGEST_WAIT: Final = 60.0

#: Files read in a beat in a store: with the list and the write, 0.8 requests a second. On a disk all are read.
READS: Final = 2

#: Beats after which a file that has not changed does not count any more, since a store may show one late or miss one,
#: and those after which it is removed.
SILENT: Final = 2.5
DEAD: Final = 12

#: A task's first look finds files that it has not seen to change: beats for which it believes so many of them that they
#: will. Believing none, it gets 0.44 of its share at first. There may be thousands that killed tasks have left.
UNPROVEN: Final = 1.1
MOST_UNPROVEN: Final = 15

#: Bytes that a file has at most.
LONGEST_FILE: Final = 2_048

#: No number in a file is as large.
MOST: Final = 1e9

_FORMAT: Final = 1

#: What the name of such a file ends with: eight digits by chance.
_NAME: Final = re.compile(r".+-[0-9a-f]{8}\.json")


@dataclass(frozen=True, slots=True)
class Said:
    """
    What a task says of itself. Times and counts are its own.

    :param pace: calls per second that it aims at
    :param quota: calls per second that all who see each other get together, ``None`` where it does not know that
    :param wants: calls per second that are enough for it, ``None`` if it takes what it can get
    :param quiet: seconds since a call of its own was throttled, ``None`` if none was. A task does not repeat what
        others say: it reads that late, and for all the seconds would go by at half their speed
    :param dark: whether nothing is accepted any more
    :param accepted: its calls that were accepted
    :param throttled: its calls that were throttled
    :param rate: calls per second that were accepted since it wrote last
    """

    pace: float
    quota: float | None
    wants: float | None
    quiet: float | None
    dark: bool
    accepted: int
    throttled: int
    rate: float = 0.0

    def to_bytes(self, beat: int) -> bytes:
        """Return the file that says so; *beat* makes it differ from the one before."""
        numbers = {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}
        return json.dumps({"format": _FORMAT, "beat": beat, **numbers}).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Said | None:
        """Return what a file says, ``None`` if it is not one of these."""
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict) or found.get("format") != _FORMAT or not isinstance(found.get("dark"), bool):
            return None
        numbers: dict[str, Any] = {}
        for name in ("pace", "quota", "wants", "quiet", "accepted", "throttled", "rate"):
            value = found.get(name)
            if value is None and name in ("quota", "wants", "quiet"):
                numbers[name] = None
            elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST:
                numbers[name] = value
            else:
                return None
        return cls(dark=found["dark"], **numbers)


@dataclass(frozen=True, slots=True)
class Group:
    """
    The tasks that share a quota with this one, as far as it sees them.

    :param wants: of each, the calls per second that are enough for it; infinite if it takes what it can get
    :param quotas: what those take the quota for whose files were just read
    :param rate: calls per second that all of them and this task aim at, or that were accepted if those are more
    :param quiet: seconds since a call of theirs was throttled
    :param joining: whether they may not have seen this task yet
    :param formed: whether this task has been there long enough for what all of them say of themselves to be complete
    :param dark: whether nothing is accepted any more from one of them
    :param probed: whether another one probes whether it is dark
    :param light: whether one that probed says that it is not dark any more
    :param lost: whether nothing can be known of them, since the files cannot be read
    """

    wants: tuple[float, ...] = ()
    quotas: tuple[float, ...] = ()
    rate: float = 0.0
    quiet: float = math.inf
    joining: bool = False
    formed: bool = False
    dark: bool = False
    probed: bool = False
    light: bool = False
    lost: bool = False


def fair_share(total: float, wants: Iterable[float]) -> float:
    """
    Return the share of one that takes what it can get: as much as any other, or what those leave that want less.

    :param total: calls per second for all
    :param wants: of each other, the calls per second that are enough for it
    """
    left = sorted(wants)
    number = len(left) + 1
    for want in left:
        if want * number >= total:
            break
        total -= want
        number -= 1
    return total / number


class _Peer:
    """A file of another task: what it says, and when it was seen to change."""

    __slots__ = ("changed_at", "is_broken", "is_proven", "is_read", "read_at", "said", "signature", "was_dark")

    def __init__(self, now: float, signature: str, *, is_proven: bool) -> None:
        self.signature = signature
        self.changed_at = now
        self.is_proven = is_proven
        self.is_read = self.is_broken = self.was_dark = False
        self.read_at = -math.inf
        self.said: Said | None = None

    def changed(self, now: float, signature: str) -> None:
        self.signature, self.changed_at = signature, now
        self.is_proven, self.is_read, self.is_broken = True, False, False

    def is_alive(self, now: float) -> bool:
        return not self.is_broken and now - self.changed_at <= (SILENT if self.is_proven else UNPROVEN) * BEAT


class Sharing:
    """
    What a task knows of those that share a quota with it. The times are arguments, of a clock that does not jump.

    :param name: the name of this task's file
    :param now: the time
    :param reads: files that may be read in a beat; ``None`` for all
    """

    def __init__(self, name: str, now: float, *, reads: int | None = READS) -> None:
        self.name = name
        self._started = now
        self._reads = reads
        self._peers: dict[str, _Peer] = {}
        self._looks = 0
        self._looked_at = -math.inf
        self._found_peers = False
        self._failures = 0
        #: What was written: how often, first and last when, and the counts at the last time.
        self._beat = 0
        self._first_written = math.inf
        self._before = (now, 0, 0)
        self._said: Said | None = None
        #: Those whose files were read in this beat.
        self._fresh: list[_Peer] = []

    def next_at(self, now: float, *, is_dark: bool) -> float:
        """
        Return when the next beat is.

        :param now: the time
        :param is_dark: whether nothing is accepted now: when it is dark no longer, the others wait for that news
        """
        if self._looks < 3:
            # The third is as soon as all have read that this task is there.
            return self._started + (0.0, FIRST_WRITE, FIRST_WRITE + UNPROVEN * BEAT)[self._looks]
        if self._said is not None and self._said.dark and not is_dark:
            return now
        return self._looked_at + min(BEAT * 2.0**self._failures, LONGEST_WAIT)

    def to_write(self, now: float, said: Said, sent: int, *, keeps_up: bool) -> bytes | None:
        """
        Return what to write to the task's own file, ``None`` for nothing: who does not send is not there for others.

        :param now: the time
        :param said: what the pace says of itself
        :param sent: calls that it has sent
        :param keeps_up: whether calls leave when the pace lets them
        """
        since, accepted, sent_before = self._before
        if now < self._started + FIRST_WRITE or (sent == sent_before and not said.dark and not keeps_up):
            return None
        seconds = max(now - since, 1e-3)
        self._before = (now, said.accepted, sent)
        if not keeps_up:
            # A fourth more than it uses, so that it finds out when it can use more.
            enough = 1.25 * (sent - sent_before) / seconds
            said = replace(said, wants=enough if said.wants is None else min(said.wants, enough))
        self._said = said = replace(said, rate=(said.accepted - accepted) / seconds)
        self._first_written = min(self._first_written, now)
        self._beat += 1
        return said.to_bytes(self._beat)

    def to_read(self, now: float, listing: Mapping[str, tuple[int, str]]) -> list[str]:
        """
        Take a list of the files, and return the names of those to read now.

        :param now: the time
        :param listing: size and signature of each; a signature differs when the file was written again
        """
        is_first = not self._looks
        self._looks += 1
        self._looked_at = now
        self._failures = 0
        self._fresh = []
        for gone in self._peers.keys() - listing.keys():
            del self._peers[gone]
        unproven = 0
        for name, (size, signature) in listing.items():
            if name == self.name or size > LONGEST_FILE or not _NAME.fullmatch(name):
                continue
            if (peer := self._peers.get(name)) is None:
                # What was not there a moment ago was written by somebody who lives.
                peer = self._peers[name] = _Peer(now, signature, is_proven=not is_first)
                unproven += is_first
                peer.is_broken = unproven > MOST_UNPROVEN
            elif peer.signature != signature:
                peer.changed(now, signature)
        self._found_peers |= unproven > 0
        to_read = [(name, peer) for name, peer in self._peers.items() if not peer.is_read and peer.is_alive(now)]
        # First who probes for all, then those of which nothing is known, then those not read for longest.
        probes = min((name for name, peer in to_read if peer.said and peer.said.dark), default="")
        to_read.sort(key=lambda one: -math.inf if one[0] == probes else one[1].read_at)
        return [name for name, _ in to_read[: self._reads]]

    def read(self, now: float, name: str, data: bytes | None) -> None:
        """Take the content of a file, ``None`` if it is gone."""
        if (peer := self._peers.get(name)) is None:
            return
        said = None if data is None else Said.from_bytes(data)
        peer.is_read, peer.read_at, peer.is_broken = True, now, said is None
        peer.was_dark = peer.said is not None and peer.said.dark
        peer.said = said
        if said is not None:
            self._fresh.append(peer)

    def failed(self, now: float) -> None:
        """Note that the files could not be read or written: the next beat is later each time, a minute at most."""
        self._looks = max(self._looks, 3)
        self._looked_at = now
        self._failures += 1

    def to_remove(self, now: float) -> str | None:
        """Return the name of a file that a task has left that was killed, if there is one."""
        for name, peer in self._peers.items():
            if now - peer.changed_at > DEAD * BEAT:
                del self._peers[name]
                return name
        return None

    @property
    def silent(self) -> int:
        """How many files of others there are that do not change."""
        return sum(not peer.is_alive(self._looked_at) for peer in self._peers.values())

    def group(self, now: float) -> Group:
        """Return what is known of the others after a beat."""
        alive = {name: peer for name, peer in self._peers.items() if peer.is_alive(now)}
        said = {name: peer.said for name, peer in alive.items() if peer.said is not None}
        # Rather more than was accepted: a machine that was busy has not sent what the quota would have given.
        rate = sum(min(1.5 * one.rate, max(one.rate, one.pace)) for one in said.values())
        own = min(1.5 * self._said.rate, max(self._said.rate, self._said.pace)) if self._said else 0.0
        quiet = [one.quiet + now - alive[name].changed_at for name, one in said.items() if one.quiet is not None]
        wants = [said[name].wants if name in said else None for name in alive]
        fresh = [(peer.was_dark, peer.said) for peer in self._fresh if peer.said is not None]
        return Group(
            wants=tuple(math.inf if want is None else want for want in wants),
            quotas=tuple(one.quota for _, one in fresh if one.quota),
            rate=own + (rate * len(alive) / len(said) if said else 0.0),
            quiet=min(quiet, default=math.inf),
            joining=self._found_peers and now < self._first_written + UNPROVEN * BEAT,
            formed=now >= self._started + FIRST_WRITE + BEAT,
            dark=any(one.dark for one in said.values()),
            probed=any(one.dark and name < self.name for name, one in said.items()),
            light=any(was_dark and not one.dark for was_dark, one in fresh),
        )

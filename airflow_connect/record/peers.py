"""
See the tasks that share a quota, through small files in the results store: the part that reads and writes.

::

    <results>/pace/<Region>/<instance>/<operation>/<dag_id>.<task_id>[.<map index>]-<8 hex>.json

What is written, what is read, and what follows from it is decided in :mod:`airflow_connect.calls.sharing`. All of it
happens in a thread of its own: no call waits for a file, and a store that is slow, ill or not there costs a warning.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from airflow_connect.api.errors import RecordError
from airflow_connect.calls.clock import Clock
from airflow_connect.calls.sharing import LONGEST_FILE, READS, Group, Sharing
from airflow_connect.record.storage import Place, folder_of, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_connect.calls.pace import Pace

__all__ = ["Peers"]

log = logging.getLogger(__name__)

#: Seconds after which the thread asks whether it is to end, and whether there are news to write at once.
POLL: Final = 0.25

#: Seconds for which a task waits at its end for its file to be removed.
LAST_WAIT: Final = 1.0

#: Files of others that do not change, from which on the log warns of them.
MANY: Final = 100


class Peers:
    """
    The tasks that use the same quota and the same results store.

    :param folder: below which results are recorded, as text
    :param region: the AWS Region
    :param instance_id: the instance
    :param operation: the API operation
    :param task: what the file is named after, such as the IDs of Dag and task
    :param clock: the time
    """

    def __init__(
        self,
        folder: str,
        *,
        region: str,
        instance_id: str,
        operation: str,
        task: str,
        clock: Clock | None = None,
    ) -> None:
        self._folder = folder
        self._parts = ("pace", *(re.sub(r"[^\w.-]", "_", part) for part in (region, instance_id, operation)))
        self._name = f"{re.sub(r'[^A-Za-z0-9_.-]', '_', task)[:150]}-{secrets.token_hex(4)}.json"
        self._clock = clock or Clock()
        self._is_warned = self._is_written = False

    @contextmanager
    def share(self, pace: Pace) -> Iterator[None]:
        """
        Let a pace know of the others, and the others of it, until the context ends.

        :param pace: of the calls that the context makes
        """
        try:
            place = Place(folder_of(self._folder).joinpath(*self._parts))
        except Exception as error:  # noqa: BLE001  # a store that cannot be used is not a reason to call nobody
            self._warn(self._folder, error)
            yield
            return
        stop: SimpleQueue[None] = SimpleQueue()
        ended: SimpleQueue[None] = SimpleQueue()
        thread = threading.Thread(
            target=self._run, args=(place, pace, stop, ended), name="amazon-connect-pace", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            stop.put(None)
            try:
                if self._is_written:
                    self._clock.get(ended, LAST_WAIT)
            except Empty:
                log.debug("The file %s/%s may stay: its store does not answer", place, self._name)

    def _run(self, place: Place, pace: Pace, stop: SimpleQueue[None], ended: SimpleQueue[None]) -> None:
        sharing = Sharing(self._name, self._clock.now(), reads=None if place.is_local else READS)
        while True:
            now = self._clock.now()
            wait = sharing.next_at(now, is_dark=pace.dark_since is not None) - now
            if wait > 0:
                try:
                    self._clock.get(stop, min(wait, POLL))
                    break
                except Empty:
                    continue
            if not stop.empty():
                break
            try:
                self._beat(place, pace, sharing)
            except Exception as error:  # noqa: BLE001  # a store's errors are of its own kinds
                sharing.failed(self._clock.now())
                pace.hear(Group(lost=True))
                self._warn(place, error)
        if self._is_written:
            try:
                place.remove(self._name)
            except Exception as error:  # noqa: BLE001  # it does not change any more, and counts for nobody
                self._warn(place, error)
        ended.put(None)

    def _beat(self, place: Place, pace: Pace, sharing: Sharing) -> None:
        clock = self._clock
        now = clock.now()
        said, sent, keeps_up = pace.says(now)
        if (data := sharing.to_write(now, said, sent, keeps_up=keeps_up)) is not None:
            self._is_written = True
            place.put(self._name, data)
        for name in sharing.to_read(clock.now(), place.listing()):
            try:
                found = place.read_at_most(name, LONGEST_FILE)
            except (RecordError, PermissionError):
                found = None  # whatever it is, it is not a task's
            sharing.read(clock.now(), name, found)
        pace.hear(sharing.group(clock.now()))
        if (dead := sharing.to_remove(clock.now())) is not None:
            place.remove(dead)
        if sharing.silent >= MANY and not self._is_warned:
            self._is_warned = True
            log.warning(
                "%s has %d files of tasks that do not send any more. They are removed one by one; delete them to save "
                "the store's time.",
                place,
                sharing.silent,
            )

    def _warn(self, place: Any, error: Exception) -> None:
        if self._is_warned:
            return
        self._is_warned = True
        log.warning(
            "The tasks that share the quota cannot be seen in %s (%s). The task finds its share by its own throttled "
            "calls.",
            place,
            one_line(error),
        )

"""
When may the next call leave? Finds, holds and follows a request quota that nobody has told.

Amazon counts calls with a token bucket: it holds up to *burst* tokens, gets *rate* tokens a second, a call takes one,
and a call that finds none is throttled and takes nothing. Neither number is known here, nor who else takes tokens.
This module knows no clock, no thread and no client: times are arguments, and the caller serialises the calls.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random

__all__ = ["Answer", "Call", "Pace"]


class Answer(enum.Enum):
    """What an answer says about the quota."""

    ACCEPTED = "accepted"
    THROTTLED = "throttled"
    SAYS_NOTHING = "says nothing"


#: Calls in flight at most, by default.
MAX_IN_FLIGHT: Final = 256


class Call:
    """One call under way: when it left, and at which pace."""

    __slots__ = ("pace", "sent")

    def __init__(self, sent: float, pace: float) -> None:
        self.sent = sent
        self.pace = pace


T0, P0, BACK, FIRST, POW, PATIENCE, M0, M1 = 0.5, 16.0, 0.4, 8.0, 3, 1.3, 130, 2


class Pace:
    """The control loop; see the module."""

    def __init__(
        self,
        now: float,
        *,
        max_rate: float | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
        total_rate: float | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._max_rate = max_rate or math.inf
        self._max_in_flight = max_in_flight
        self._rate = min(total_rate or P0, self._max_rate)
        self._pace = self._rate
        self._growth = 2.0
        self._searching = True
        self._known = total_rate is not None
        self._next = now
        self._in_flight = 0
        self._latency = 0.0
        self._deviation = 0.0
        self._accepted = 0
        self._throttled = 0
        self._reacted = -math.inf
        self._cycle = 0
        self._cycle_length = FIRST
        self._anchors: deque[list[float]] = deque(maxlen=48)
        self._recent: deque[float] = deque(maxlen=512)
        self._first = now
        self._base = self._rate
        self._burst = 1.0

    @property
    def rate(self) -> float:
        return self._rate

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def latency(self) -> float:
        return self._latency

    @property
    def throttled_share(self) -> float:
        return self._throttled / max(1, self._accepted + self._throttled)

    def _limit(self) -> float:
        if not self._latency:
            return min(5 if not self._known else self._max_in_flight, self._max_in_flight)
        return min(self._max_in_flight, 4 + 2 * self._pace * (self._latency + 4 * self._deviation))

    def send_at(self, now: float) -> float:
        if self._in_flight >= self._limit():
            return math.inf
        return self._next

    def sent(self, now: float) -> Call:
        self._in_flight += 1
        interval = 1 / self._pace
        late = now - self._next > max(2 * interval, 0.05)
        if self._next < now:
            self._next = max(self._next, now - max(2 * interval, 0.05))
        call = Call(now, self._pace)
        if late:
            self._slow()
        elif self._searching:
            self._grow(interval)
        else:
            self._cycle += 1
            m = self._cycle_length
            q = self._noise()
            self._pace = min(self._max_rate, self._rate * (1 + POW * q * (self._cycle / m) ** (POW - 1) / m))
            if self._cycle > PATIENCE * m:
                self._searching = True
                self._growth = 1.25
                self._base = self._rate
        self._next += 1 / self._pace
        return call

    def _grow(self, interval: float) -> None:
        if not self._latency:
            return
        period = max(self._latency, T0 if self._growth == 2 else 0.5, 0 if self._growth == 2 else 6 * interval)
        self._pace = min(self._max_rate, self._pace * self._growth ** min(1, interval / period))
        self._rate = self._pace

    def _slow(self) -> None:
        self._anchors.clear()
        self._cycle = 0

    def _noise(self) -> float:
        return 1 + 0.8 * math.sqrt(self._rate * self._deviation)

    def answered(self, call: Call, now: float, answer: Answer) -> None:
        self._in_flight -= 1
        latency = now - call.sent
        if answer is Answer.SAYS_NOTHING:
            self._count(call.sent + self._latency / 2)
            return
        if not self._latency:
            self._latency = latency
            self._deviation = latency / 4
            if not self._known:
                self._pace = self._rate = min(self._pace, 5 / latency)
        else:
            self._deviation += (abs(latency - self._latency) - self._deviation) / 16
            self._latency += (latency - self._latency) / 16
        middle = call.sent + latency / 2
        if answer is Answer.ACCEPTED:
            self._accepted += 1
            self._count(middle)
            return
        self._throttled += 1
        self._throttle(call, middle, now)

    def _count(self, middle: float) -> None:
        self._recent.append(middle)
        for anchor in reversed(self._anchors):
            if anchor[0] < middle:
                break
            anchor[1] += 1

    def _throttle(self, call: Call, middle: float, now: float) -> None:
        count = self._accepted
        for other in reversed(self._recent):
            if other < middle - self._latency:
                break
            if other > middle:
                count -= 1
        anchor = [middle, count, 0.0]
        if call.sent < self._reacted:
            if len(self._anchors) == 1 and self._anchors[0][0] < middle:
                self._anchors.append([middle, count, 1.0])
            elif len(self._anchors) == 2 and self._anchors[1][2] and self._anchors[1][0] < middle:
                self._anchors[1] = [middle, count, 1.0]
            else:
                return
            self._measure()
            return
        self._reacted = now
        if self._searching:
            if self._growth == 2:
                self._anchors.clear()
                self._rate = call.pace * BACK
            else:
                self._rate = self._base
        self._anchors.append(anchor)
        self._searching = False
        self._measure(call)
        self._cycle = 0
        q = self._noise()
        self._next = max(now, self._next - 1 / self._pace + 1 / self._rate) + q / self._rate
        self._pace = self._rate

    def _measure(self, call=None) -> None:
        anchors = self._anchors
        q = self._noise()
        low, high = 0.0, math.inf
        newest = anchors[-1]
        rate = 0.0
        counted = 0.0
        for i in range(len(anchors) - 2, -1, -1):
            span = newest[0] - anchors[i][0]
            if span <= 0:
                continue
            n = newest[1] - anchors[i][1]
            new_low, new_high = max(low, (n - q) / span), min(high, (n + q) / span)
            if new_low > new_high:
                raised = low > (n + q) / span
                for _ in range(i + 1):
                    anchors.popleft()
                if raised and call and len(anchors) == 2:
                    rate = (newest[1] - anchors[0][1]) / (newest[0] - anchors[0][0])
                    anchors.popleft()
                    self._rate = max(rate, min(math.sqrt(rate * call.pace), 2 * rate))
                    self._cycle_length = FIRST
                    return
                break
            low, high = new_low, new_high
            if n >= 2 * q:
                rate = n / span
                counted = n
        if rate:
            self._rate = min(max(rate, low), high, self._max_rate)
        longest = M0 * q + M1 * self._rate
        self._cycle_length = max(FIRST, min(longest, 2 * counted), 3 * self._rate * self._latency)

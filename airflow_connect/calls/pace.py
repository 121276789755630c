"""
When may the next call leave? Finds, holds, follows and shares a request quota that is not known.

Amazon counts calls with a token bucket: it holds up to *burst* tokens and gets *rate* tokens a second; a call takes
one, and a call that finds none is throttled and takes nothing. Neither number is known here, nor who else takes tokens.
This module knows no clock, no thread and no client: times are arguments, and the caller takes turns.

**What there is to know.** A throttled answer says that the bucket was empty then: an *anchor*. Between two anchors the
bucket let through what flowed in, so that

    rate = (calls let through between them ± noise) / (time between them),

the more exact the further apart they are. All anchors that agree make a *chain*; where they stop agreeing, the quota
changed, or somebody else uses it. Calls are dated by the middle between sending and answer. The noise is one token for
the rounding, and, for the x = rate x deviation calls that leave within a deviation of the latency, sqrt(x) for those
that overtake each other, or x for the time of the anchor itself, if that is more. With sqrt(x) alone, one at 500/s and
2 s latency takes itself for several, and 9 % of its calls are throttled instead of 1.3 %.

**The loop.** State: a phase, the rate, the anchors. Observation: an answer. Decision: the time of the next
call, and how many may be in flight (twice rate x latency).

``START``
    The pace doubles until the first throttled answer; the calls in flight by then give the first measurement.
``ALONE``
    After a throttled answer we leave a reserve of tokens in the bucket, and spend it over a cycle of M calls at

        pace = rate x (1 + 3 (noise + 1/2) n² / M³)       for the n-th call,

    so that it is empty, and throttles, again about when M calls are made: a measurement for one call in M. Nothing is
    lost meanwhile, for only a *full* bucket loses tokens. No throttled answer long after it was due: the quota was
    raised, and the pace grows. A chain that breaks: it was lowered, or we are not alone.
``SHARED``
    Measuring finds what the others leave, so that who has more would keep it. All who share a bucket see the same
    share of their calls throttled, whatever their pace; so each answers it with the same law,

        pace x (1 + 0.05 / M) for a call,     pace x (1 - 0.05) for a throttled answer,     M = 70 x sqrt(pace),

    which rests where one call in M is throttled. M grows with the pace: who is slower than the others gains. After more
    than M calls without a throttled answer the pace follows the one that would see one in so many, (calls / 70)²: who
    is left alone speeds up the longer nothing stops it. A chain of many anchors that agree could not be if there were
    others: we are alone again.
``REGARDLESS``
    SHARED has fallen and fallen, and as many calls are throttled as before. That happens beside clients of the same
    quota that do not slow down, as loops of boto3 calls with its standard or legacy retries: they keep the bucket
    empty, and every call finds a token by chance, whatever our pace. Eight such threads left 0.03 of 20 calls a second
    to SHARED alone. So windows of calls are compared: while no more than the usual share of them is
    throttled the pace grows, and falls when more are. A window at a fourth of the pace, at first and now and then,
    shows whether it is so still; when fewer are throttled there, the loop is SHARED again.

``DARK``
    Six calls in a row are throttled, and nothing was accepted for some time: that is not a low quota, but none. Single
    calls leave after 0.5, 1, 2, 4, 5, 5 … seconds. The first one that is accepted ends it.
``RETURN``
    After that the pace doubles from a fourth of the old one; there the old phase goes on. (A task that sees the news of
    another one goes on with its share at once.) A throttled answer on the way
    stops it: it was a false alarm, or the quota is lower now. But after five seconds without an accepted call, the
    first one does not: the bucket is still empty when several come back, and four at 2/s then left half of the quota
    unused for minutes.

**The others.** Those who share a quota are often tasks that see each other: :mod:`airflow_connect.calls.sharing`. Then
the quota for all is known, the pace is the share of it that is ours, and what SHARED learns from our own answers counts
for all: those who read it take the mean.

The loop reacts once per round trip: throttled calls that left before the last reaction are no news. It does not grow
while we are the ones who are slow.
"""

from __future__ import annotations

import enum
import math
import random
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from airflow_connect.api.errors import QuotaError, RequestError, ThrottledError
from airflow_connect.calls.defaults import MAX_IN_FLIGHT
from airflow_connect.calls.sharing import BEAT, Said, fair_share

if TYPE_CHECKING:
    from airflow_connect.api.errors import ConnectError
    from airflow_connect.calls.sharing import Group

__all__ = ["Answer", "Call", "Pace", "PaceState"]

# What is said of a constant below is what got worse without it, in some 70 simulated situations with 8 seeds each.

#: The first calls, before anything is known: 16 a second, 5 in flight (Amazon Connect's default burst). With 10/s,
#: 0.6 % of 100/s is lost in a minute; with all at once half as many calls more are throttled at 2/s and 2 s latency.
FIRST_RATE: Final = 16.0
FIRST_IN_FLIGHT: Final = 5

#: Seconds in which the pace doubles at the start, or a round trip if that is longer: from 16 to 500 a second in 2.5 s.
#: What is in flight when the bucket is empty is throttled, some 70 % of rate x latency for each doubling a second.
DOUBLING: Final = 0.5

#: At the first throttled answer: the share of the pace at which that call left. It emptied a full bucket, so the rate
#: is lower, and the calls in flight will tell it from below. With all of it, 14 % of the first minute at 2/s are
#: throttled instead of 8 %.
FIRST_DROP: Final = 0.4

#: The rate falls to no less than this share at one reaction: a limiter that refuses all for a moment is not at zero.
#: Else those at 2/s need 174 s instead of 103 to notice that others left, and one in five calls throttled by chance
#: leaves next to nothing of the pace.
LARGEST_DROP: Final = 0.75

#: Once a throttled answer is overdue the pace grows by this factor in 0.5 s, two round trips, or the time of six calls
#: (12 s at most), whichever is longest. With a factor of 2, a third more is throttled where a quota is raised; in one
#: round trip, twice as much at 500/s and 2 s latency.
GROWTH: Final = 1.25

#: Calls in a cycle of ALONE: twice the calls of the chain, so that an error of one part in n costs two tokens, between
#: 8 and 130 x noise + 2 s of calls (0.8 % throttled at least), 200 s of calls and three round trips. Without the 8, a
#: bucket of two tokens loses 4 %; without the 130, 9 % are throttled at 2/s for ever; without the 2 s, 70 % more are at
#: 100/s; without the 200 s, one in thirty of those at 2/s did not notice in 400 s that the others had left.
SHORTEST_CYCLE: Final = 8.0
CYCLE_CALLS: Final = 130.0
CYCLE_SECONDS: Final = 2.0
CYCLE_LONGEST_SECONDS: Final = 200.0

#: A throttled answer is overdue in ALONE after 1.3 cycles: about twice the reserve is spent then. A pace that has grown
#: by as much after that has met a bucket that was full: what was measured before is too low. Where both are not asked,
#: three times as many calls are throttled, on schedule and after a quota is raised.
OVERDUE: Final = 1.3

#: Widths in units of the noise: anchors agree within 1.4; the reserve is more, so that an early answer does not agree.
#: With 1.7 for both, a bucket of two tokens loses 2 %; with 1.4 for both, one of four at 2/s did not notice in 400 s
#: that the others had left.
AGREEMENT: Final = 1.4
RESERVE: Final = 1.7

#: M(pace) = 70 x square root of the pace: with less, what others leave is noticed sooner, and more is throttled.
SHARED_CALLS: Final = 70.0

#: What a throttled answer takes of the pace in SHARED: with more, shares are less even.
SHARED_GAIN: Final = 0.05

#: So many anchors that agree, over so many calls in units of the noise, are not chance: we are alone. With two, a
#: bucket that is split over servers loses 4 %; over any number of calls a quota of 2/s that is raised loses 1 %, and
#: boto3 threads leave a third less.
ALONE_ANCHORS: Final = 12
ALONE_CALLS: Final = 100.0

#: Where SHARED has fallen to so much of its pace (to less for those that see each other, who throttle one another while
#: they follow a lower quota) the last 80 calls are looked at: were 15.5 % of them throttled or more, in vain? (Of those
#: that share 3 % are. They are those of 16 round trips or more: else four that see each other at a latency of 2 s take
#: what they throttle one another for it.) At 0.3 for all, boto3 threads leave a task half as much; at 0.4 for all,
#: four at 2/s that see each other need twice as long after darkness.
DOUBTFUL_DROP: Final = 0.4
DOUBTFUL_DROP_SEEN: Final = 0.3
DOUBTFUL_CALLS: Final = 80
DOUBTFUL_SHARE: Final = 0.155
DOUBTFUL_ROUND_TRIPS: Final = 16.0

#: Natural logarithm of how much likelier one share must be than the other in REGARDLESS: wrong once in twenty.
EVIDENCE: Final = 3.0

#: A window is at four times the pace of the one before, until one was too fast; every 6th is at a fourth. Without
#: the slow ones, a quota that takes the place of chance is never found: 42 % throttled.
STEP: Final = 4.0
SLOW_WINDOW: Final = 6

#: The least share of its pace that is left of it where a task finds that it is not alone: what it measured is wrong.
#: Else the last of eight of 1,000 rows at 50/s is done after 1.70 of the ideal time in the worst of 72 runs, not 1.54.
SHARED_DROP: Final = 0.85

#: For n tasks that see each other SHARED_GAIN is the square root of n times as much, for so many of them at most: else
#: 64 of them leave 5 % of the quota in the first minute. For one times as much, 64 are throttled twice as often.
MOST_GAIN: Final = 16

#: Those who see each other grow after so many times M of all their calls without a throttled answer, and so many beats.
#: After two, the last of eight that join one after the other has 0.72 of its share at first in the worst of ten runs,
#: not 0.88. After three, eight at 50/s use 0.92 of a quota that halves and doubles every minute, not 0.94.
SHARED_SILENCE: Final = 2.5

#: The part of its share that a task takes until the others have seen that it joins. With all of it, eight that join one
#: at once use 0.66 of the quota in the next minute instead of 0.92: all throttle one another, and believe in less.
JOINING: Final = 8.0

#: So many times as much, or as little, as it takes the quota for does a task believe others at once: files may lie.
#: Else one of four that follow a lower quota may be left half of its share.
MOST_CHANGE: Final = 4.0

#: So many calls throttled in a row, with nothing accepted meanwhile, are DARK. Fewer come by chance where many share:
#: with three, four at 2/s that see nobody need 20 s after 10 s of darkness instead of two.
DARK_IN_A_ROW: Final = 6

#: Seconds between two single calls in DARK at most: they double from those of DOUBLING. With a minute, half of the two
#: minutes after darkness may be lost. What is dark for less may be a task that joins.
DARK_LONGEST_WAIT: Final = 5.0

#: The share of the pace before DARK from which it doubles back. With half, a quota that fell to a fiftieth throttles
#: hundreds of calls in two minutes instead of 40, as it is taken for darkness again and again.
DARK_RETURN: Final = 0.25

#: Seconds: however slow the pace has become, the next call leaves so long after the last one. A service that throttles
#: everything for hours would be asked once a day else.
LONGEST_GAP: Final = 60.0

#: Seconds by which timers and threads may be late, which no simulation is: no sign of a caller that cannot keep up.
TIMER: Final = 0.005

#: Anchors kept, so that memory is bounded. More would not measure better: the oldest are hours away at 2/s.
ANCHORS: Final = 48


class Answer(enum.Enum):
    """What an answer says about the quota."""

    #: The call was let through, whatever became of it behind the quota.
    ACCEPTED = "accepted"
    #: The bucket was empty.
    THROTTLED = "throttled"
    #: An error of the service, a time-out, a cut connection: nobody knows.
    SAYS_NOTHING = "says nothing"

    @classmethod
    def of(cls, error: ConnectError) -> Answer:
        """Return what a failure says: a request that was refused, for one, was let through before."""
        if isinstance(error, ThrottledError):
            return cls.THROTTLED
        return cls.ACCEPTED if isinstance(error, (RequestError, QuotaError)) else cls.SAYS_NOTHING


class Phase(enum.Enum):
    """What the loop is doing; see the module."""

    START = "start"
    ALONE = "alone"
    SHARED = "shared"
    REGARDLESS = "regardless"
    DARK = "dark"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class PaceState:
    """
    Where a pace is, for people and their tools.

    :param pace: calls per second that it aims at
    :param latency: seconds from sending to answer, smoothed; 0 before the first answer
    :param quota: calls per second that this task and those that it shares with get together, ``None`` while that is not
        known
    :param shared_with: how many other tasks it sees that share the quota
    :param nothing_for: seconds since a call was accepted, while every call is throttled; else ``None``
    :param next_try_in: seconds until the next call then; ``None`` also where another task tries for all
    """

    pace: float = 0.0
    latency: float = 0.0
    quota: float | None = None
    shared_with: int = 0
    nothing_for: float | None = None
    next_try_in: float | None = None

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the same by its names, as JSON can have it."""
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(self).items()}

    def in_words(self) -> str:
        """Say what is worth a word, such as "sharing 50/s with 7 tasks"; nothing for a pace that just goes on."""
        if self.nothing_for is not None:
            tries = "another task tries" if self.next_try_in is None else f"next try in {self.next_try_in:.0f} s"
            return f"nothing accepted for {self.nothing_for:.0f} s; {tries}"
        if self.shared_with and self.quota:
            return f"sharing {self.quota:.3g}/s with {self.shared_with} task{'s' if self.shared_with > 1 else ''}"
        return ""


class Call:
    """A call under way: when it left, and at which pace."""

    __slots__ = ("pace", "sent")

    def __init__(self, sent: float, pace: float) -> None:
        self.sent = sent
        self.pace = pace


class Latency:
    """The round trip: mean and mean deviation, smoothed as TCP does (RFC 6298), in seconds."""

    __slots__ = ("deviation", "mean")

    def __init__(self) -> None:
        self.mean = 0.0
        self.deviation = 0.0

    def add(self, seconds: float) -> None:
        if self.mean:
            self.deviation += (abs(seconds - self.mean) - self.deviation) / 16
            self.mean += (seconds - self.mean) / 16
        else:
            self.mean = seconds
            self.deviation = seconds / 4


class Anchor:
    """A time at which the bucket was empty, and how many calls it had let through by then."""

    __slots__ = ("passed", "time")

    def __init__(self, time: float, passed: int) -> None:
        self.time = time
        self.passed = passed


class Meter:
    """Measures the rate between throttled answers: the chain of anchors that agree, newest last."""

    def __init__(self) -> None:
        self.anchors: deque[Anchor] = deque(maxlen=ANCHORS)
        #: Calls from the oldest anchor of the chain to the newest.
        self.calls = 0
        #: The bounds within which the chain holds the rate.
        self.low = 0.0
        self.high = math.inf
        #: Older anchors did not agree with the newest when it was measured last.
        self.broken = False
        self._passed = 0
        self._recent: deque[float] = deque(maxlen=512)

    def let_through(self, time: float) -> None:
        """Count a call that the bucket let through at *time*, also for anchors whose answers overtook its own."""
        self._passed += 1
        self._recent.append(time)
        for anchor in reversed(self.anchors):
            if anchor.time < time:
                break
            anchor.passed += 1

    def anchor(self, time: float, latency: float) -> Anchor:
        """Return the anchor of a call that was throttled at *time*; it is not in the chain yet."""
        passed = self._passed
        for other in reversed(self._recent):
            if other < time - latency:
                break
            passed -= other > time
        return Anchor(time, passed)

    def rate(self, width: float) -> float:
        """
        Return the rate that the chain tells, or 0 when it is too short to tell one; *width* is the noise in calls.

        Anchors are taken from the newest back while the bounds (calls ± width) / time have a value in common. Those
        before are dropped, and :attr:`broken` tells that there were some.
        """
        newest = self.anchors[-1]
        rate = 0.0
        self.broken = False
        self.calls, self.low, self.high = 0, 0.0, math.inf
        for index in range(len(self.anchors) - 2, -1, -1):
            older = self.anchors[index]
            if (seconds := newest.time - older.time) <= 0:
                continue
            calls = newest.passed - older.passed
            low, high = max(self.low, (calls - width) / seconds), min(self.high, (calls + width) / seconds)
            if low > high:
                self.broken = True
                for _ in range(index + 1):
                    self.anchors.popleft()
                break
            self.low, self.high = low, high
            if calls >= 2 * width:
                self.calls, rate = calls, calls / seconds
        return rate


class Windows:
    """
    Tells whether what is throttled follows the pace, for REGARDLESS: tests calls at one pace after the other.

    Each test is sequential (Wald): it ends as soon as one of two shares is e³ times as likely as the other. They are
    the usual share, and that of a quota: half of all others too at a higher pace, a fourth of the usual at a lower.

    :param now: the time in seconds
    :param pace: the calls per second at which it begins
    :param usual: the share of the calls that are throttled at this pace
    """

    def __init__(self, now: float, pace: float, usual: float) -> None:
        #: The pace of the window that is open, or the one to go on with.
        self.pace = pace
        self._lowest = pace
        self._usual = usual
        self._step = STEP
        self._number = 0
        self._open(now, pace * STEP)

    def _open(self, now: float, pace: float) -> None:
        self._since = now
        self._number += 1
        self._slow = self._number == 2 or self._number % SLOW_WINDOW == 0
        self.pace = pace / STEP if self._slow else pace
        other = self._usual / 4 if self._slow else (1 + self._usual) / 2
        self._if_throttled = math.log(other / self._usual)
        self._if_accepted = math.log((1 - other) / (1 - self._usual))
        self._evidence = 0.0
        self._calls = 0

    def add(self, sent: float, throttled: bool) -> bool:
        """Count a call; return True when the window has enough of them."""
        if sent < self._since:
            return False
        self._calls += 1
        self._evidence += self._if_throttled if throttled else self._if_accepted
        # A window at a higher pace is a second's at least, so that the bucket has time to become empty.
        least = 0 if self._slow or self._evidence > 0 else self.pace
        return self._calls >= least and abs(self._evidence) > EVIDENCE

    def judge(self, now: float, fastest: float) -> bool:
        """
        Open the next window; return False when what is throttled follows the pace after all, or is not any more.

        :param now: the time in seconds
        :param fastest: calls per second that the caller can make
        """
        unusual = self._evidence > 0
        pace = self.pace
        if self._slow:
            if unusual:
                return False
            pace *= STEP
        elif unusual:
            pace = pace / self._step if self._number > 1 else self._lowest
            self._step = GROWTH
        else:
            pace = min(pace * self._step, max(pace, fastest))
        if pace <= self._lowest:
            self.pace = pace
            return False
        self._open(now, pace)
        return True


class Pace:
    """
    The control loop: tells when the next call may leave, and learns from the answers.

    It is deterministic but for *chance*, cheap (some microseconds a call) and bounded in memory. The caller calls
    :meth:`send_at`, :meth:`sent` and :meth:`answered` one at a time, with times that never go back. A throttled call
    is sent again as any other.

    :param now: the time in seconds, of any clock that does not jump (``time.monotonic``)
    :param max_rate: calls per second that are never exceeded; None for what the quota gives
    :param max_in_flight: calls at the same time that are never exceeded
    :param rate_quota: calls per second that the account's quota is said to be, for all who use it together: the start
        is immediate then. When it is wrong, what is measured counts.
    :param chance: spreads the calls of those who share a quota, so that nobody stays behind another; None for its own
    :raises ValueError: when a number is not positive
    """

    def __init__(
        self,
        now: float,
        *,
        max_rate: float | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
        rate_quota: float | None = None,
        chance: random.Random | None = None,
    ) -> None:
        for name, value in (("max_rate", max_rate), ("max_in_flight", max_in_flight), ("rate_quota", rate_quota)):
            if value is not None and not value > 0:
                raise ValueError(f"{name}: must be more than 0; got {value}.")
        self._max_rate = max_rate or math.inf
        self._max_in_flight = max_in_flight
        self._random = (chance or random.Random()).random  # noqa: S311  # spreads calls, keeps no secret
        self._phase = Phase.START
        self._rate = self._pace = min(rate_quota or FIRST_RATE, self._max_rate)
        #: The rate is a measurement, or said to be one: the first throttled answer does not take it away.
        self._rate_known = self._is_told = rate_quota is not None
        self._next = now
        self._sent = now
        self._in_flight = 0
        self._calls_sent = 0
        self._accepted = 0
        self._throttled = 0
        self._throttled_at = -math.inf
        self._latency = Latency()
        self._meter = Meter()
        self._reacted = -math.inf
        self._last_answer = Answer.ACCEPTED
        #: Calls since the last reaction, calls until the next throttled answer is due, and the pace when it was.
        self._calls = 0
        self._cycle = SHORTEST_CYCLE
        self._pace_when_due = math.inf
        #: Throttled answers of the calls in flight at the first one measure the rate.
        self._first_pack = False
        #: Calls that the bucket let through before it was first empty: it holds no more.
        self._burst = math.inf
        self._late = False
        #: Throttled answers in a row, when a call was accepted last, and phase and pace before the row.
        self._in_a_row = 0
        self._accepted_at = now
        self._before_row = (Phase.START, self._pace)
        self._quota_before_row = 0.0
        #: Phase and pace before it became dark, to return to.
        self._before = self._before_row
        self._started = now
        #: News of those who share the quota and are seen, until it is taken into account.
        self._news: Group | None = None
        #: Those of them that are taken into account, the quota for all, and the pace when it was that.
        self._group: Group | None = None
        self._quota = 0.0
        self._quota_pace = self._pace
        #: Since when it is dark, and the wait before the next single call.
        self._dark_since = math.inf
        self._dark_wait = DOUBLING
        #: Whether the next throttled answer stops the way back.
        self._is_hindered = False
        #: Whether the last calls were throttled, and the pace from which down SHARED counts them.
        self._last_calls: deque[bool] = deque(maxlen=DOUBTFUL_CALLS)
        self._doubt_at = 0.0
        self._windows: Windows | None = None

    @property
    def rate(self) -> float:
        """Calls per second that the quota is measured to give us, or that we try while we do not know."""
        overdue = self._phase is Phase.ALONE and self._calls > OVERDUE * self._cycle
        return self._pace if overdue else self._rate

    @property
    def in_flight(self) -> int:
        """Calls that are sent and not answered."""
        return self._in_flight

    @property
    def latency(self) -> float:
        """Seconds from sending to answer, smoothed; 0 before the first answer."""
        return self._latency.mean

    @property
    def accepted(self) -> int:
        """Calls that were let through."""
        return self._accepted

    @property
    def throttled(self) -> int:
        """Calls that were throttled."""
        return self._throttled

    @property
    def shared_with(self) -> int:
        """How many others are seen that share the quota."""
        return len(self._group.wants) if self._group else 0

    @property
    def quota(self) -> float | None:
        """Calls per second that all who see each other get together, ``None`` where that is not known."""
        if self._group:
            is_dark = self._phase in (Phase.DARK, Phase.RETURN)
            return self._quota if is_dark else self._quota * self._pace / self._quota_pace
        is_known = self._rate_known and self._phase in (Phase.START, Phase.ALONE)
        return self._rate if is_known and (self._is_told or self._sent - self._started > 2 * BEAT) else None

    @property
    def dark_since(self) -> float | None:
        """When the last call was accepted before everything was throttled, ``None`` while calls are accepted."""
        return self._accepted_at if self._phase is Phase.DARK else None

    def state(self, now: float) -> PaceState:
        """Return where the pace is. Any thread may call this: it changes nothing."""
        dark_since = self.dark_since
        tries_at = min(self._next, self._sent + LONGEST_GAP)
        return PaceState(
            pace=self.rate,
            latency=self.latency,
            quota=self.quota,
            shared_with=self.shared_with,
            nothing_for=None if dark_since is None else now - dark_since,
            next_try_in=None if dark_since is None or self._next == math.inf else max(0.0, tries_at - now),
        )

    # The others

    def says(self, now: float) -> tuple[Said, int, bool]:
        """
        Return what the others are to know, how many calls were sent, and whether the caller keeps up with the pace.

        Any thread may call this: it changes nothing.
        """
        keeps_up = self._in_flight >= self._in_flight_limit() or now - self._next <= max(2 / self._pace, TIMER)
        return (
            Said(
                pace=self._pace,
                # While nothing is accepted the quota may be as it was: the others do not hear of less.
                quota=self._quota_before_row if self._group and self._in_a_row > 1 else self.quota,
                wants=self._max_rate if self._max_rate < math.inf else None,
                quiet=now - self._throttled_at if self._throttled_at > -math.inf else None,
                dark=self._phase is Phase.DARK,
                accepted=self._accepted,
                throttled=self._throttled,
            ),
            self._calls_sent,
            keeps_up,
        )

    def hear(self, group: Group) -> None:
        """Take news of the others, for the next decision. Any thread may call this."""
        self._news = group

    def _meet(self, group: Group, now: float) -> None:
        """Move to the share that is ours beside the others."""
        if self._windows:
            self._group = None
            return
        if not group.wants:
            if self._group and not group.lost:
                self._set_share(self.quota or self._pace)
            self._group = None
            return
        if group.dark and self._group and self._in_a_row > 1 and self._phase is Phase.SHARED:
            self._darken(now)
        known = list(group.quotas)
        if self._group or not known:
            quota = self.quota
            if quota is None and group.formed:
                quota = group.rate
            if not quota:
                return
            # What others say is believed as far as it can be.
            known = [min(max(one, quota / MOST_CHANGE), quota * MOST_CHANGE) for one in known]
            known.append(quota)
        if group.quiet < now - self._throttled_at:
            self._calls = min(self._calls, math.ceil(group.quiet * self._pace))
        self._quota = max(sum(known) / len(known), 1 / LONGEST_GAP)
        share = fair_share(self._quota, group.wants)
        self._group = group
        self._set_share(share / JOINING if group.joining else share)
        if self._phase is Phase.DARK:
            if group.light:
                self._end_dark(now, seen=True)
            elif group.probed:
                self._next = math.inf
            else:
                self._next = min(self._next, max(now, self._sent + self._dark_wait))

    def _set_share(self, pace: float) -> None:
        pace = self._quota_pace = min(pace, self._max_rate)
        if self._phase in (Phase.DARK, Phase.RETURN):
            self._before = (Phase.SHARED, pace)
            return
        if self._phase is not Phase.SHARED:
            self._forget_anchors()
            self._rate_known = True
            self._calls = 0
            self._begin_sharing()
        # What was planned at the old pace waits no longer than at the new one.
        self._next = min(self._next, self._sent + 1 / pace)
        self._rate = self._pace = pace

    def _begin_sharing(self) -> None:
        self._phase = Phase.SHARED
        # What was throttled before was so for reasons of its own.
        self._last_calls.clear()
        self._doubt_at = self._doubtful_pace()

    # Decision

    def send_at(self, now: float) -> float:
        """Return the time at which the next call may leave: at most *now* for at once, ``inf`` for after an answer."""
        if (news := self._news) is not None:
            self._news = None
            self._meet(news, now)
        if self._in_flight >= self._in_flight_limit():
            return math.inf
        return min(self._next, self._sent + LONGEST_GAP)

    def sent(self, now: float) -> Call:
        """Count a call that leaves now; give what this returns to :meth:`answered`."""
        self._in_flight += 1
        self._calls_sent += 1
        self._sent = now
        self._late = self._is_late(now)
        call = Call(now, self._pace)
        self._calls += 1
        if self._phase is Phase.ALONE:
            self._spend_reserve()
        elif self._phase is Phase.SHARED:
            self._share()
        elif self._phase is Phase.START:
            self._grow(2.0, DOUBLING, DOUBLING)
        elif self._phase is Phase.RETURN:
            self._return()
        if self._phase is Phase.DARK:
            self._next = now + max(self._dark_wait, self._latency.mean) * (0.9 + 0.2 * self._random())
            self._dark_wait = min(2 * self._dark_wait, DARK_LONGEST_WAIT)
        else:
            self._next += 1 / self._pace
        return call

    def _in_flight_limit(self) -> float:
        if not self._latency.mean:
            return self._max_in_flight if self._rate_known else min(FIRST_IN_FLIGHT, self._max_in_flight)
        # Twice what the pace needs: the latency may grow, but a service that hangs does not swallow all rows.
        return min(self._max_in_flight, 4 + 2 * self._pace * (self._latency.mean + 4 * self._latency.deviation))

    def _is_late(self, now: float) -> bool:
        """Tell whether the caller is slower than the pace; what is caught up with is bounded."""
        if self._phase is Phase.DARK:
            return False
        late = now - self._next
        # A quarter of a second of calls and two more, but not the whole bucket, which others may have used meanwhile.
        allowed = min(2 + self._pace / 4, self._burst / 2) / self._pace
        if late > allowed:
            self._next = now - allowed
            if late * self._pace > self._burst and self._phase in (Phase.ALONE, Phase.SHARED) and not self._group:
                # The bucket is full again. Empty it as at the start, from the rate that we know.
                self._forget_anchors()
                self._phase = Phase.START
                self._pace = self._rate
        return late > max(2 / self._pace, TIMER)

    def _spend_reserve(self) -> None:
        """Go on in the cycle of ALONE: the pace rises until the reserve is spent, and on when nothing happens."""
        progress = self._calls / self._cycle
        if progress <= OVERDUE:
            excess = 3 * (self._noise() + 0.5) * progress * progress / self._cycle
            self._pace = self._pace_when_due = min(self._rate * (1 + excess), self._max_rate)
        else:
            self._grow(GROWTH, max(0.5, 2 * self._latency.mean), 12.0)

    def _share(self) -> None:
        """Go on in SHARED: every call raises the pace a little, and long silence more."""
        if not self._late:
            self._pace = min(self._pace * (1 + self._gain() / self._shared_calls()), self._max_rate)
        # A pace at which few are throttled is right, however much faster it was before: no fall counts from there.
        is_right = (
            len(self._last_calls) == DOUBTFUL_CALLS and 2 * sum(self._last_calls) < DOUBTFUL_SHARE * DOUBTFUL_CALLS
        )
        self._doubt_at = max(0.0 if is_right else self._doubt_at, self._doubtful_pace())
        calls: float = self._calls
        if self._group:
            # Silence of all counts for each, and has to be longer: those who leave are seen, and news take their time.
            number = (len(self._group.wants) + 1) / SHARED_SILENCE
            calls *= min(number, self._shared_calls() / (SHARED_SILENCE * BEAT * self._pace))
        if calls > self._shared_calls():
            # So far that one call in so many would be throttled, as there was none.
            self._grow(2.0, DOUBLING, math.inf, most=(calls / SHARED_CALLS) ** 2)
        self._rate = self._pace

    def _return(self) -> None:
        """Go on after DARK: double until the pace is what it was, in six gaps of that while nothing hinders it."""
        phase, pace = self._before
        self._grow(2.0, DOUBLING, math.inf if self._is_hindered else 6 / pace, most=pace)
        if self._pace >= min(pace, self._max_rate):
            self._phase = phase
            self._calls = 0
        self._rate = self._pace

    def _grow(self, factor: float, shortest: float, longest: float, *, most: float = math.inf) -> None:
        """
        Let the pace grow by *factor* in a round trip, the time of six calls of all, or the bounds given (seconds).

        :param most: the pace up to which it grows
        """
        if self._late or self._last_answer is not Answer.ACCEPTED or not self._latency.mean:
            return
        gap = 1 / self._pace
        period = max(self._latency.mean, shortest, min(6 * gap / (self.shared_with + 1), longest))
        grown = min(self._pace * factor ** min(1.0, gap / period), self._max_rate, most)
        self._pace = max(self._pace, grown)
        if self._phase is Phase.START and not self._rate_known:
            self._rate = self._pace

    def _gain(self) -> float:
        # What one of those who see each other learns by itself counts for all, and soon only in the mean.
        return SHARED_GAIN * math.sqrt(min(self.shared_with + 1, MOST_GAIN))

    def _shared_calls(self) -> float:
        """Return M(pace): the calls for one throttled answer in SHARED."""
        return max(SHARED_CALLS * math.sqrt(self._pace), self._round_trips(3))

    def _round_trips(self, number: float) -> float:
        return number * self._pace * self._latency.mean

    def _noise(self) -> float:
        """Return the tokens by which a measurement or the level of the bucket may be wrong."""
        calls = self._rate * self._latency.deviation
        return 1 + 0.8 * max(math.sqrt(calls), calls)

    # Observation

    def answered(self, call: Call, now: float, answer: Answer) -> None:
        """Learn from the answer to a call."""
        self._in_flight -= 1
        self._last_answer = answer
        if answer is Answer.SAYS_NOTHING:
            # A call is counted by the quota before it fails, and its latency is that of a failure.
            self._meter.let_through(call.sent + self._latency.mean / 2)
            return
        first = not self._latency.mean
        # A coarse clock shows no time for an answer from near by.
        self._latency.add(max(now - call.sent, TIMER / 1_000))
        if first and not self._rate_known:
            self._rate = self._pace = min(self._pace, FIRST_IN_FLIGHT / self._latency.mean)
        middle = (call.sent + now) / 2
        if self._phase is not Phase.DARK:
            self._last_calls.append(answer is Answer.THROTTLED)
        if self._windows and self._windows.add(call.sent, answer is Answer.THROTTLED):
            self._compare(self._windows, now)
        if answer is Answer.ACCEPTED:
            self._accepted += 1
            self._meter.let_through(middle)
            if self._phase is Phase.DARK and call.sent >= self._dark_since:
                self._end_dark(now)
            self._accepted_at = now
            self._in_a_row = 0
            return
        self._throttled += 1
        self._throttled_at = now
        if self._phase is Phase.DARK or self._is_dark(now):
            return
        if self._windows:
            return
        anchor = self._meter.anchor(middle, self._latency.mean)
        if call.sent >= self._reacted:
            self._reacted = now
            self._react(call, anchor, now)
        elif self._first_pack:
            self._measure_first_pack(anchor)

    def _is_dark(self, now: float) -> bool:
        """Count a throttled answer, and tell whether nothing is let through any more."""
        if not self._in_a_row:
            self._before_row = self._phase, self._pace
            self._quota_before_row = self.quota or 0.0
        self._in_a_row += 1
        pace = self._before_row[1]
        if self._in_a_row < DARK_IN_A_ROW or now - self._accepted_at < 2 * self._latency.mean + 4 / pace:
            return False
        self._darken(now)
        return True

    def _darken(self, now: float) -> None:
        """Go over to DARK."""
        phase, pace = self._before_row
        if phase is Phase.START:
            # What is known then is what the first throttled answer showed.
            self._before = self._phase, self._pace
        elif phase is not Phase.RETURN:
            self._before = phase, pace
        else:
            # Dark again on the way back: the quota may be far lower, as after a burst that is much more than its rate.
            self._before = self._before[0], max(self._before[1] / 2, 1 / LONGEST_GAP)
        self._phase = Phase.DARK
        for _ in range(min(self._in_a_row, len(self._last_calls))):
            self._last_calls.pop()  # they tell nothing of the pace
        if self._group and self._quota_before_row:
            self._quota, self._quota_pace = self._quota_before_row, self._before[1]
        self._dark_since = now
        self._dark_wait = DOUBLING
        self._next = now + self._dark_wait * (0.9 + 0.2 * self._random())

    def _end_dark(self, now: float, *, seen: bool = False) -> None:
        """Return from DARK, since a call was accepted; *seen* where it was another task's."""
        self._phase = Phase.RETURN
        # What was throttled in the dark does not begin another row.
        self._in_a_row = 0
        # Dark for a moment may be chance, or one that joins. After longer all come back to a bucket that is empty.
        self._is_hindered = now - self._accepted_at < DARK_LONGEST_WAIT and not seen
        self._accepted_at = now
        # Those who hear that it is over do so one after the other: the pace of all grows by that.
        self._rate = self._pace = self._before[1] * (1.0 if seen else DARK_RETURN)
        self._forget_anchors()
        self._dark_since = math.inf
        self._reacted = now
        self._next = now

    def _react(self, call: Call, anchor: Anchor, now: float) -> None:
        """React to news that the bucket was empty."""
        anchors = self._meter.anchors
        pace = self._pace
        self._first_pack = self._phase is Phase.START and not self._rate_known
        if self._phase is Phase.START:
            anchors.clear()
            self._phase = Phase.ALONE
            if not self._rate_known:
                self._burst = self._accepted
                self._rate = call.pace * FIRST_DROP
        elif self._phase is Phase.RETURN and not self._is_hindered:
            # Another one was back before and took the first tokens: that is not news of the quota.
            self._is_hindered = True
            self._next = max(now, self._next) + self._random() / pace
            return
        elif self._phase is Phase.RETURN:
            # No further: the quota is lower now, or it was not dark.
            self._phase = self._before[0]
            self._rate = pace = call.pace
        elif self._phase is Phase.ALONE and call.pace > OVERDUE * self._pace_when_due:
            average = 0.0
            if anchors and anchor.time > anchors[-1].time:
                average = (anchor.passed - anchors[-1].passed) / (anchor.time - anchors[-1].time)
            anchors.clear()
            # Between what passed, with a full bucket at times, and the pace that emptied it.
            self._rate = math.sqrt(max(average, self._rate) * call.pace)
        if self._phase is Phase.SHARED and pace <= self._doubt_at and self._is_throttled_in_vain():
            self._doubt(now)
            return
        if self._phase is Phase.SHARED and not self._group and self._calls > SHARED_CALLS * math.sqrt(call.pace):
            # Silence let it grow, and it went on while the answer was under way.
            pace = min(pace, call.pace)
        anchors.append(anchor)
        self._rate_known = True
        self._measure(self._rate * LARGEST_DROP)
        self._calls = 0
        if self._phase is Phase.SHARED:
            if self._group or len(anchors) < ALONE_ANCHORS or self._meter.calls < ALONE_CALLS * self._noise():
                self._cut(pace)
                # A little for the bucket; and chance, so that of two in step not always the same one comes too late.
                self._next = max(now, self._next) + (self._noise() + self._random()) / self._pace
                return
            self._phase = Phase.ALONE
        elif self._meter.broken:
            self._begin_sharing()
            # The measurement is of others as well.
            self._rate = max(self._rate, pace * SHARED_DROP)
        reserve = min(RESERVE * self._noise(), max(0.25, self._burst - 1))
        self._next = max(now, self._next - 1 / pace + 1 / self._rate) + reserve / self._rate
        self._pace = self._rate

    def _measure(self, lowest: float) -> None:
        """Take the rate from the anchors, and the length of the cycle from how well they know it."""
        noise = self._noise()
        meter = self._meter
        rate = meter.rate(AGREEMENT * noise) or self._rate
        self._rate = min(max(min(max(rate, meter.low), meter.high), lowest), self._max_rate)
        longest = min(CYCLE_CALLS * noise + CYCLE_SECONDS * self._rate, CYCLE_LONGEST_SECONDS * self._rate)
        shortest = max(SHORTEST_CYCLE, 3 * self._rate * self._latency.mean)
        self._cycle = max(shortest, min(longest, 2.0 * meter.calls))

    def _forget_anchors(self) -> None:
        """Begin a new chain, to which no call belongs that is in flight."""
        self._meter.anchors.clear()
        self._first_pack = False

    def _measure_first_pack(self, anchor: Anchor) -> None:
        """Measure from the first throttled answer to the last of the calls that were in flight at it."""
        anchors = self._meter.anchors
        if anchor.time > anchors[-1].time:
            if len(anchors) == 2:
                anchors.pop()
            anchors.append(anchor)
            self._measure(0.0)

    def _cut(self, pace: float) -> None:
        self._rate = self._pace = pace * (1 - self._gain())

    def _doubtful_pace(self) -> float:
        """Return the pace at which SHARED asks whether it falls in vain, if this is the highest that it has."""
        return self._pace * (DOUBTFUL_DROP_SEEN if self._group else DOUBTFUL_DROP)

    def _is_throttled_in_vain(self) -> bool:
        if max(self._round_trips(DOUBTFUL_ROUND_TRIPS), DOUBTFUL_CALLS) > len(self._last_calls):
            return False
        # Still, not when it began: to those at 2/s that is two minutes ago.
        last = list(self._last_calls)
        return all(sum(some) >= DOUBTFUL_SHARE * len(some) for some in (last, last[-DOUBTFUL_CALLS // 4 :]))

    def _doubt(self, now: float) -> None:
        self._phase = Phase.REGARDLESS
        # What it tries is not a quota to tell the others of.
        self._group = None
        # One more that was accepted, so that the share is never all of them.
        self._windows = Windows(now, self._pace, sum(self._last_calls) / (len(self._last_calls) + 1))
        self._rate = self._pace = min(self._windows.pace, self._max_rate)

    def _compare(self, windows: Windows, now: float) -> None:
        """Go on in REGARDLESS at the pace that the last window tells, or leave it."""
        most = self._pace if self._late else self._max_in_flight / self._latency.mean
        goes_on = windows.judge(now, most)
        self._rate = self._pace = min(windows.pace, self._max_rate)
        if not goes_on:
            self._windows = None
            self._phase = Phase.SHARED
            self._doubt_at = self._doubtful_pace()
            self._reacted, self._calls = now, 0

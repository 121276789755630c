"""
Defaults of the arguments that say how calls are made.

A Dag file needs these of an operator's signature, and nothing of what calls: this module imports none of it.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_IN_FLIGHT", "MAX_RETRY_TIME", "QUOTA_TIMEOUT", "THREADS"]

#: Calls at once, at most, where rows become contacts: at 50 ms latency enough for 5,000 calls a second.
MAX_IN_FLIGHT: Final = 256

#: Seconds for which a call is retried.
MAX_RETRY_TIME: Final = 300.0

#: Seconds for which to wait for active contacts to end while their number is at its quota.
QUOTA_TIMEOUT: Final = 3_600.0

#: Threads of a process that read and change contacts; a thread waits for the network alone, so that they may be more
#: than its cores.
THREADS: Final = 32

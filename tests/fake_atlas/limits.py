# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two ways in which the service counts requests. Times are seconds of a monotonic clock, given by the caller."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field


@dataclass
class RateLimit:
    """A bucket's size and how it fills: ``refill`` at once after each ``period`` seconds, as the documented sample."""

    capacity: int = 1200
    refill: int = 500
    period: float = 60
    retry_after_header: bool = False


@dataclass
class Bucket:
    """What is left of one project's requests."""

    tokens: int
    filled_at: float

    def take(self, limit: RateLimit, now: float) -> int | None:
        """Take one; None when there was one, else the whole seconds until there is."""
        periods = math.floor((now - self.filled_at) / limit.period)
        self.filled_at += periods * limit.period
        self.tokens = min(limit.capacity, self.tokens + periods * limit.refill)
        if self.tokens < 1:
            return math.ceil(self.filled_at + limit.period - now)
        self.tokens -= 1
        return None


@dataclass
class Window:
    """At most so many in the last 60 seconds."""

    moments: deque[float] = field(default_factory=deque)

    def take(self, allowed: int, now: float) -> int | None:
        """Take one; None when it was allowed, else the whole seconds until one is."""
        while self.moments and self.moments[0] <= now - 60:
            self.moments.popleft()
        if len(self.moments) >= allowed:
            return math.ceil(self.moments[0] + 60 - now) if self.moments else 60
        self.moments.append(now)
        return None

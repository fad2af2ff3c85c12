"""How many replicas an endpoint should have, by what it was asked. Pure.

Up, down and to zero each have a delay of their own. More replicas are wanted once every look of the last seconds wanted
more, fewer once every look of the last minutes wanted fewer; so a number that is reached is kept for a while, and
traffic that comes and goes within a delay changes nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

UP_AFTER_MS = 5_000
DOWN_AFTER_MS = 120_000
WINDOW_MS = 60_000
"""Over which requests are counted."""


IDLE_TIMEOUT_S = 3600
"""After how long without a request an endpoint sleeps that may, where nothing else is said."""


@dataclass(frozen=True)
class Rule:
    """By what the number of replicas goes.

    Args:
        idle_timeout_s: After how long without a request none is kept. None: the least number always runs.
        requests_per_minute: How many requests a minute one replica is to answer. None: they are not looked at.
        in_flight: How many requests one replica is to work on at once. None: they are not looked at.
    """

    idle_timeout_s: int | None = None
    requests_per_minute: float | None = None
    in_flight: float | None = None


@dataclass(frozen=True)
class Scaling:
    """What an endpoint's number of replicas follows: its traffic, up to a most of replicas."""

    most: int
    rule: Rule


def scaling_of(least: int, most: int | None, rule: Rule | None) -> Scaling | None:
    """What the number follows, None where it is simply the least.

    Args:
        least: The least number of replicas.
        most: The most, if anything was said.
        rule: By what it goes, if anything was said.

    Example:

        >>> scaling_of(2, 2, None) is None, scaling_of(0, None, None) is None
        (True, True)
        >>> scaling_of(0, 1, None).rule.idle_timeout_s
        3600
    """
    if (rule is None or rule == Rule()) and (most is None or most <= least):
        return None
    kept = rule or Rule()
    if not least and kept.idle_timeout_s is None:
        kept = replace(kept, idle_timeout_s=IDLE_TIMEOUT_S)
    return Scaling(max(least if most is None else most, 1), kept)


@dataclass(frozen=True)
class Look:
    """What was seen of an endpoint's traffic at one time.

    Args:
        at_ms: When.
        requests: How many requests were answered up to then.
        active: How many were under way.
    """

    at_ms: int
    requests: int
    active: int


def replicas_wanted(
    scaling: Scaling, least: int, now: int, looks: Sequence[Look], quiet_since_ms: int, now_ms: int
) -> int:
    """How many replicas there should be.

    Args:
        scaling: What the number follows.
        least: The least number, 0 where it may sleep.
        now: How many there are to be up to now.
        looks: What was seen, oldest first, for as long as `DOWN_AFTER_MS`.
        quiet_since_ms: When it last had a request, or was woken, or made.
        now_ms: Wall time.

    Example:

        >>> looks = [Look(at_ms, requests=0, active=9) for at_ms in range(0, 10_000, 1000)]
        >>> replicas_wanted(Scaling(4, Rule(in_flight=4)), 1, 1, looks, 9000, 9000)
        3
    """
    if now == 0:
        return 0  # only a request, or its user, wakes it
    if scaling.rule.idle_timeout_s is not None and now_ms - quiet_since_ms >= scaling.rule.idle_timeout_s * 1000:
        return 0
    floor = max(least, 1)
    if not looks:
        return min(max(now, floor), scaling.most)
    wanted = [(look.at_ms, _wanted_at(scaling, looks[: place + 1])) for place, look in enumerate(looks)]
    lately = [count for at_ms, count in wanted if at_ms > now_ms - UP_AFTER_MS]
    long_ago = [count for at_ms, count in wanted if at_ms > now_ms - DOWN_AFTER_MS]
    is_long = now_ms - looks[0].at_ms >= UP_AFTER_MS
    up = min(lately) if lately and is_long else now
    is_longer = now_ms - looks[0].at_ms >= DOWN_AFTER_MS
    down = max(long_ago) if long_ago and is_longer else now
    chosen = up if up > now else min(down, now)
    return min(max(chosen, floor), scaling.most)


def _wanted_at(scaling: Scaling, looks: Sequence[Look]) -> int:
    """How many replicas the last of some looks asks for."""
    last = looks[-1]
    wanted = 1
    if scaling.rule.in_flight is not None:
        wanted = max(wanted, math.ceil(last.active / scaling.rule.in_flight))
    if scaling.rule.requests_per_minute is not None:
        first = next(look for look in looks if look.at_ms >= last.at_ms - WINDOW_MS)
        # A gateway that was started anew counts from zero.
        asked = max(last.requests - first.requests, 0)
        minutes = max(last.at_ms - first.at_ms, WINDOW_MS // 6) / 60_000
        wanted = max(wanted, math.ceil(asked / minutes / scaling.rule.requests_per_minute))
    return wanted

"""The seasons of a series: those that its calendar suggests, or, without times, those that show in the values."""

import numpy as np

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.forecasting.panel import Numbers, Panel

_LIKENESS = 0.2
_HALF = 0.5
_CLEARLY = 0.05
_MOST_STEPS = 20_000
_LONGEST = 1024


def seasons_of(panel: Panel, given: tuple[int, ...] | None) -> tuple[int, ...]:
    """Season lengths in steps, shortest first; those of which the history holds less than two are left out.

    Args:
        panel: The series, with gaps.
        given: What the user says, if anything.

    Raises:
        InvalidInput: A given length is no whole number from 2, or the history holds less than two of it.
    """
    if given is not None:
        for length in given:
            if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 2:
                raise InvalidInput(f"`seasons` must be whole numbers from 2, got {length!r}")
            if 2 * length > panel.steps:
                raise InvalidInput(
                    f"the history must hold two seasons, got {panel.steps} steps for a season of {length}"
                )
        return tuple(sorted({int(length) for length in given}))
    lengths = panel.grid.seasons if panel.grid.start else found_in(panel.filled(1).values)
    return tuple(length for length in lengths if 2 * length <= panel.steps)


def found_in(values: Numbers) -> tuple[int, ...]:
    """Season lengths that show in the values, `(rows, time)`: where changes repeat, none, one or two.

    The first is the shortest that divides the one after which changes are most alike, if they are half as alike there;
    the second is a multiple of it after which they are clearly more alike.

    Example:

        >>> steps = np.arange(200)
        >>> found_in(np.sin(2 * np.pi * steps / 12)[None, :] + 0.01 * steps)
        (12,)
        >>> found_in(np.random.default_rng(0).normal(size=(1, 200)).cumsum(axis=1))
        ()
    """
    changes = np.diff(values[:, -_MOST_STEPS:], axis=1)
    changes = changes - changes.mean(axis=1, keepdims=True)
    count = changes.shape[1]
    longest = min(count // 3, _LONGEST)
    if longest < 3:
        return ()
    size = 2 ** int(np.ceil(np.log2(2 * count)))
    power = np.abs(np.fft.rfft(changes, size, axis=1)) ** 2
    products = np.fft.irfft(power, axis=1)[:, : longest + 1]
    own = products[:, :1]
    alike = (products / np.where(own > 0, own, 1.0)).mean(axis=0) * count / (count - np.arange(longest + 1))
    peaks = [lag for lag in range(2, longest) if alike[lag] > alike[lag - 1] and alike[lag] >= alike[lag + 1]]
    # Neighbours are alike in any smooth series: a season begins where that likeness has gone.
    ends = int(np.argmax(alike <= 0)) if (alike <= 0).any() else longest
    clear = [lag for lag in peaks if lag > ends and alike[lag] >= max(_LIKENESS, 4.0 / np.sqrt(count))]
    if not clear:
        return ()
    best = max(clear, key=lambda lag: alike[lag])
    first = next(lag for lag in clear if best % lag == 0 and alike[lag] >= _HALF * alike[best])
    longer = [lag for lag in clear if lag % first == 0 and alike[lag] > alike[first] + _CLEARLY]
    # Of multiples that are alike the shortest is the season.
    second = next((lag for lag in longer if alike[lag] >= alike[best] - _CLEARLY), None)
    return (first,) if second is None else (first, second)

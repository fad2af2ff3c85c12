"""Background rounds: one after another, and one that fails costs itself alone."""

import threading

from lepton_ai.core.periodic import Periodic


def test_rounds_follow_each_other_and_one_that_fails_is_told_and_costs_itself_alone() -> None:
    told: list[tuple[str, str]] = []
    rounds = iter(range(5))
    done, reached = threading.Event(), []

    def one_round() -> float:
        number = next(rounds)
        reached.append(number)
        if number == 0:
            raise RuntimeError("no luck")
        if number >= 3:
            done.set()
            return 60.0
        return 0.0

    periodic = Periodic("work", one_round, lambda name, error: told.append((name, str(error))))
    periodic.start()
    assert done.wait(10)
    periodic.stop()
    assert told == [("work", "no luck")]
    assert reached == [0, 1, 2, 3]


def test_what_never_began_ends_as_well() -> None:
    Periodic("idle", lambda: 1.0, lambda *_: None).stop()

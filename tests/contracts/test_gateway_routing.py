"""What every gateway does where a request is to meet a certain replica: sticky callers, and replicas that are named."""

from collections import Counter
from collections.abc import Iterator

import pytest

from gateway_lab import BEARER, DRIVERS, Lab, is_problem, route, running_lab
from lepton_ai.infrastructure.network.routes import Routing

STICKY = Routing(sticky=True)
NAMED = Routing(by_replica=True)


@pytest.fixture(scope="module", params=DRIVERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with running_lab(request.param) as lab:
        yield lab


def answering(lab: Lab, **headers: str) -> str:
    """The name of the replica that answered."""
    answer = lab.get("/default/digits/x", BEARER | {name.replace("_", "-"): value for name, value in headers.items()})
    assert answer.status == 200
    return answer.headers["x-replica"]


def test_caller_meets_the_same_replica_each_time(lab: Lab) -> None:
    lab.apply(route("digits", *(lab.replica(name) for name in "abc"), routing=STICKY))
    assert len({answering(lab) for _ in range(20)}) == 1
    assert len({answering(lab, x_lepton_affinity="session-7") for _ in range(20)}) == 1


def test_callers_are_spread_over_replicas(lab: Lab) -> None:
    lab.apply(route("digits", *(lab.replica(name) for name in "abc"), routing=STICKY))
    answered = Counter(answering(lab, x_lepton_affinity=f"session-{number}") for number in range(90))
    assert set(answered) == {"a", "b", "c"}
    assert min(answered.values()) > 10


def test_only_callers_of_a_replica_that_leaves_meet_another_one(lab: Lab) -> None:
    replicas = [lab.replica(name) for name in "abcd"]
    lab.apply(route("digits", *replicas, routing=STICKY))
    before = {f"s-{number}": answering(lab, x_lepton_affinity=f"s-{number}") for number in range(60)}
    lab.apply(route("digits", *replicas[:3], routing=STICKY))
    moved = [name for name, replica in before.items() if answering(lab, x_lepton_affinity=name) != replica]
    of_the_one = [name for name, replica in before.items() if replica == "d"]
    assert set(of_the_one) <= set(moved)
    assert len(moved) - len(of_the_one) <= 6  # maglev moves a few more


def test_caller_of_a_dead_replica_is_answered_by_another_one(lab: Lab) -> None:
    replicas = [lab.replica_process(name) for name in "ab"]
    lab.apply(route("digits", *replicas, routing=STICKY, retry_on_reset=True))
    mine = answering(lab)
    replicas["ab".index(mine)].kill()
    assert {answering(lab) for _ in range(10)} == {"b" if mine == "a" else "a"}


def test_request_that_names_a_replica_meets_that_one(lab: Lab) -> None:
    lab.apply(route("digits", *(lab.replica(name) for name in "abc"), routing=NAMED))
    for number, name in enumerate("abc"):
        assert {answering(lab, x_lepton_replica_target=f"rep-digits-{number}") for _ in range(10)} == {name}
    assert {answering(lab) for _ in range(40)} == {"a", "b", "c"}


@pytest.mark.parametrize("target", ["rep-other-0", "rep-digits-9", "127.0.0.1:80", "x" * 2000, "ä", "rep-digits-0,"])
def test_request_that_names_no_replica_of_the_endpoint_meets_none(lab: Lab, target: str) -> None:
    lab.apply(route("digits", lab.replica("a"), routing=NAMED), route("other", lab.replica("b"), routing=NAMED))
    headers = BEARER | {"x-lepton-replica-target": target.encode().decode("latin-1")}
    assert is_problem(lab.get("/default/digits/x", headers), 503, "unavailable")


def test_naming_a_replica_means_nothing_where_that_was_not_asked_for(lab: Lab) -> None:
    lab.apply(route("digits", lab.replica("a")), route("other", lab.replica("b"), routing=NAMED))
    assert answering(lab, x_lepton_replica_target="rep-other-0") == "a"


def test_both_go_together(lab: Lab) -> None:
    lab.apply(route("digits", *(lab.replica(name) for name in "ab"), routing=Routing(sticky=True, by_replica=True)))
    mine = answering(lab)
    assert {answering(lab) for _ in range(10)} == {mine}
    other = "ab".index("b" if mine == "a" else "a")
    assert answering(lab, x_lepton_replica_target=f"rep-digits-{other}") == "ab"[other]

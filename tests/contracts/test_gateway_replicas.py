"""What every gateway does about replicas: balances, passes over the dead, repeats only what may be repeated."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway_lab import DRIVERS, Answer, Lab, Load, free_ports, is_problem, raw, request_bytes, route, running_lab
from waiting import wait_until


@pytest.fixture(scope="module", params=DRIVERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with running_lab(request.param) as lab:
        yield lab


def test_requests_are_spread_over_replicas(lab: Lab) -> None:
    lab.apply(route("digits", *(lab.replica(name) for name in "abc")))
    answered = Counter(lab.get("/default/digits/x").headers["x-replica"] for _ in range(90))
    assert set(answered) == {"a", "b", "c"}
    assert min(answered.values()) > 10


def test_busy_replica_gets_fewer_requests(lab: Lab) -> None:
    lab.apply(route("digits", lab.replica("busy"), lab.replica("idle")))
    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(lambda _: lab.get("/default/digits/nap?150"), range(90)))
    answered = Counter(answer.headers["x-replica"] for answer in answers)
    assert answered["idle"] > 1.4 * answered["busy"] > 0


@pytest.mark.parametrize("dead", [2, 3])
def test_dead_replicas_in_the_table_are_passed_over(lab: Lab, dead: int) -> None:
    gone = [lab.new_address(), f"tcp:127.0.0.1:{free_ports(1)[0]}", lab.new_address(tcp=True)][:dead]
    lab.apply(route("digits", *gone, lab.replica("alive")))
    bodies = (b"", b"x" * 100, b"x" * 900_000)
    answers = [lab.get("/default/digits/x", method="POST", body=bodies[turn % 3]) for turn in range(60)]
    assert Counter(answer.status for answer in answers) == {200: 60}
    assert [answer.json["body_bytes"] for answer in answers] == [len(bodies[turn % 3]) for turn in range(60)]


def test_only_dead_replicas_are_unavailable(lab: Lab) -> None:
    lab.apply(route("digits", lab.new_address(), lab.new_address(tcp=True)))
    answer = lab.get("/default/digits/x")
    assert is_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"


def test_replica_that_starts_while_a_request_waits_gets_it(lab: Lab) -> None:
    address = lab.new_address()
    lab.apply(route("digits", address))
    answers: list[Answer] = []
    assert lab.get("/default/digits/x").status == 503
    replica = lab.replica_process("late", address)
    answers.append(lab.get("/default/digits/x"))
    replica.kill()
    assert answers[0].json["replica"] == "late"


def test_killed_replica_under_load_loses_nothing_when_requests_may_be_repeated(lab: Lab) -> None:
    stays = lab.replica_process("stays")
    doomed = [lab.replica_process(f"doomed-{turn}") for turn in range(2)]
    lab.apply(route("digits", stays, doomed[0], retry_on_reset=True))
    with Load(lab.endpoints_port, "/default/digits/predict") as load:
        for turn, victim in enumerate(doomed):
            lab.apply(route("digits", stays, victim, retry_on_reset=True))
            load.more(100)
            victim.kill()
            load.more(100 + turn)
    assert load.failures == {}


def test_broken_request_is_sent_once_unless_it_may_be_repeated(lab: Lab) -> None:
    a, b = lab.replica("a"), lab.replica("b")
    lab.apply(route("digits", a, b))
    for method in ("GET", "POST", "GET"):
        before = len(a.app.arrivals) + len(b.app.arrivals)
        answer = lab.get("/default/digits/reset", method=method, body=b"x" if method == "POST" else None)
        assert is_problem(answer, 502, "unavailable")
        assert "retry-after" not in answer.headers, "repeating may not be harmless"
        assert len(a.app.arrivals) + len(b.app.arrivals) == before + 1


def test_request_that_breaks_every_replica_is_given_up_soon(lab: Lab) -> None:
    replicas = [lab.replica(name) for name in "abcdefgh"]
    lab.apply(route("digits", *replicas, retry_on_reset=True))
    assert is_problem(lab.get("/default/digits/reset", method="POST", body=b"poison"), 502, "unavailable")
    arrivals = [len(replica.app.arrivals) for replica in replicas]
    assert 2 <= sum(arrivals) <= 5
    assert max(arrivals) == 1


def test_repeated_request_arrives_whole(lab: Lab) -> None:
    a, b = lab.replica("a"), lab.replica("b")
    lab.apply(route("digits", a, b, retry_on_reset=True))
    body = bytes(range(256)) * 2000
    for _ in range(6):
        lab.get("/default/digits/reset", method="POST", body=body)
        assert lab.get("/default/digits/x", method="POST", body=body).json["body_bytes"] == len(body)


def test_slow_answer_times_out(lab: Lab) -> None:
    lab.apply(
        route("digits", lab.replica(), timeout_s=0.4), route("again", lab.replica(), timeout_s=0.4, retry_on_reset=True)
    )
    for name in ("digits", "again"):
        begun_s = time.monotonic()
        answer = lab.get(f"/default/{name}/sleep?3000", method="POST", body=b"x")
        assert is_problem(answer, 504, "deadline_exceeded")
        assert 0.3 < time.monotonic() - begun_s < 1.5


def test_stream_that_goes_on_outlives_the_time_out(lab: Lab) -> None:
    lab.apply(route("digits", lab.replica(), timeout_s=0.5))
    answer = lab.get("/default/digits/events?300")
    assert answer.body.count(b"data:") == 4


def test_stream_that_falls_silent_is_cut(lab: Lab) -> None:
    lab.apply(route("digits", lab.replica(), timeout_s=0.4))
    begun_s = time.monotonic()
    received = raw(lab.endpoints_port, request_bytes("/default/digits/trickle?3000"))
    assert b"begun" in received and b"ended" not in received and not received.endswith(b"0\r\n\r\n")
    assert time.monotonic() - begun_s < 2


def test_answer_that_breaks_off_is_seen_to_be_not_whole(lab: Lab) -> None:
    lab.apply(route("digits", lab.replica(), retry_on_reset=True))
    received = raw(lab.endpoints_port, request_bytes("/default/digits/half"))
    assert b"200 OK" in received
    assert len(received) < 10_000, "the client sees the connection end before the length that was promised"


def test_client_that_leaves_ends_the_work_for_it(lab: Lab) -> None:
    replica = lab.replica()
    lab.apply(route("digits", replica))
    raw(lab.endpoints_port, request_bytes("/default/digits/sleep?60000"), timeout_s=0.3)
    wait_until(lambda: replica.app.left == ["/sleep?60000"], timeout_s=2)


def test_request_under_way_outlives_the_removal_of_its_replica(lab: Lab) -> None:
    old, new = lab.replica("old"), lab.replica("new")
    lab.apply(route("digits", old))
    answers: list[Answer] = []
    waiting = threading.Thread(target=lambda: answers.append(lab.get("/default/digits/sleep?700")))
    waiting.start()
    wait_until(lambda: old.app.arrivals)
    lab.apply(route("digits", new))
    assert lab.get("/default/digits/x").headers["x-replica"] == "new"
    lab.apply()
    waiting.join()
    assert (answers[0].status, answers[0].headers["x-replica"]) == (200, "old")

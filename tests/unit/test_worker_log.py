"""A worker's log: capped, dated, and read by time."""

import asyncio
import time
from itertools import islice, pairwise
from pathlib import Path

from lepton_ai.infrastructure.compute.worker_log import WorkerLog, parts_of, read_lines, remove_log
from lepton_ai.server.lines import lines_of

FOREVER_NS = 2**62


def texts(path: Path, start_ns: int = 0, end_ns: int = FOREVER_NS) -> list[bytes]:
    return [line.text for line in read_lines(path, start_ns, end_ns)]


def test_lines_are_read_by_the_time_they_came(tmp_path: Path) -> None:
    path = tmp_path / "w.log"
    log = WorkerLog(path)
    log.write(b"one\ntwo\n")
    time.sleep(0.003)
    between_ns = time.time_ns()
    time.sleep(0.003)
    log.write(b"three\n")
    log.close()
    assert texts(path) == [b"one", b"two", b"three"]
    assert texts(path, end_ns=between_ns) == [b"one", b"two"]
    assert texts(path, start_ns=between_ns) == [b"three"]
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_times_grow_strictly_and_are_the_same_from_wherever_one_reads(tmp_path: Path) -> None:
    path = tmp_path / "w.log"
    log = WorkerLog(path)
    for number in range(50):
        log.write(b"".join(b"%d.%d\n" % (number, line) for line in range(20)))
        time.sleep(0.0005)
    log.close()
    lines = list(read_lines(path, 0, FOREVER_NS))
    assert len(lines) == 1000
    assert all(before.at_ns < after.at_ns for before, after in pairwise(lines))
    for start in (0, 1, 17, 500, 999):
        assert list(read_lines(path, lines[start].at_ns, FOREVER_NS)) == lines[start:]
        assert list(read_lines(path, 0, lines[start].at_ns)) == lines[:start]


def test_a_line_that_comes_in_parts_is_one_line_of_the_time_it_began(tmp_path: Path) -> None:
    path = tmp_path / "w.log"
    log = WorkerLog(path)
    log.write(b"first\nhal")
    time.sleep(0.003)
    between_ns = time.time_ns()
    log.write(b"f\nlast\n")
    log.close()
    assert texts(path) == [b"first", b"half", b"last"]
    assert texts(path, start_ns=between_ns) == [b"last"]


def test_the_oldest_half_goes_when_the_cap_is_reached(tmp_path: Path) -> None:
    path = tmp_path / "w.log"
    log = WorkerLog(path, cap_bytes=2000)
    for number in range(100):
        log.write(b"line %04d %s\n" % (number, b"." * 40))
    log.close()
    assert len(parts_of(path)) == 2
    assert sum(part.stat().st_size for part in parts_of(path)) <= 2000
    kept = texts(path)
    assert kept[-1].startswith(b"line 0099")
    assert [int(line[5:9]) for line in kept] == list(range(100 - len(kept), 100))


def test_a_line_without_an_end_cannot_outgrow_the_cap_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "w.log"
    log = WorkerLog(path, cap_bytes=1000)
    for _ in range(100):
        log.write(b"x" * (1 << 16))
    log.close()
    assert sum(part.stat().st_size for part in parts_of(path)) < 3 << 20


def test_a_log_without_an_index_is_of_the_time_of_its_last_change(tmp_path: Path) -> None:
    path = tmp_path / "old.log"
    path.write_bytes(b"a\nb\n")
    lines = list(read_lines(path, 0, FOREVER_NS))
    assert [line.text for line in lines] == [b"a", b"b"]
    assert lines[0].at_ns == path.stat().st_mtime_ns


def test_a_follower_goes_on_in_the_fresh_file(tmp_path: Path) -> None:
    path = tmp_path / "w.log"
    log = WorkerLog(path, cap_bytes=1000)
    numbers = iter(range(60))

    def write(count: int) -> int:
        written = [log.write(b"%d %s\n" % (number, b"." * 20)) for number in islice(numbers, count)]
        return len(written)

    async def follow() -> bytes:
        seen = b""
        async for lines in lines_of(path, lambda: write(12) == 0):
            assert lines.endswith(b"\n")
            seen += lines
        return seen

    write(12)
    seen = asyncio.run(follow())
    assert [int(line.split()[0]) for line in seen.splitlines()] == list(range(60))
    assert len(parts_of(path)) == 2


def test_removing_a_log_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.log"
    log = WorkerLog(path, cap_bytes=100)
    for _ in range(20):
        log.write(b"a line of some length\n")
    log.close()
    remove_log(path)
    assert list(tmp_path.iterdir()) == []

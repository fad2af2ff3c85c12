"""The log of a replica: it takes every line while it can, and never holds anybody up."""

import os

from lepton_ai.platform.model_management.serving.request_log import line_writer


def test_lines_go_into_a_file_whole(tmp_path):
    path = tmp_path / "log"
    with path.open("wb") as file:
        write = line_writer(file.fileno())
        write(b"a\n")
        write(b"b" * 100_000 + b"\n")
    assert path.read_bytes() == b"a\n" + b"b" * 100_000 + b"\n"


def test_a_pipe_that_nobody_reads_costs_lines_and_no_time():
    reader, writer = os.pipe()
    write = line_writer(writer)
    line = b"x" * 999 + b"\n"
    for _ in range(1000):
        write(line)
    os.close(writer)
    with open(reader, "rb") as file:
        taken = file.read()
    assert 0 < len(taken) < 1_000_000
    assert set(taken.splitlines()) == {b"x" * 999}


def test_a_reader_that_has_gone_costs_lines_and_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    write = line_writer(writer)
    write(b"lost\n")
    os.close(writer)

"""The process of one replica: loads a model version and answers over HTTP until it is told to stop.

Started by a supervisor: `python -m lepton_ai.platform.model_management.serving.model_server --artifact FOLDER
--address unix:/path --model NAME --version N`. On SIGTERM it stops accepting, finishes what it has begun, and exits 0.
"""

import argparse
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop

from lepton_ai.core.clock import SystemClock
from lepton_ai.core.errors import LeptonError
from lepton_ai.core.ids import id_source
from lepton_ai.platform.model_management.serving.app import build_app
from lepton_ai.platform.model_management.serving.engine import Engine
from lepton_ai.platform.model_management.serving.listener import address_of, listening_socket
from lepton_ai.platform.model_management.serving.request_log import RequestLog, line_writer
from lepton_ai.platform.model_management.serving.served_model import ServedModel
from lepton_ai.platform.model_management.serving.whole_answers import WholeAnswers
from lepton_ai.platform.model_management.serving.worker import ModelWorker

# Longer than a gateway keeps an idle connection, so that it is never this side that closes one about to be used.
_KEEP_ALIVE_S = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server.

    Returns:
        The exit code: 0 after SIGTERM, else that of the error, which stands on stderr in one line and a hint.
    """
    options = _parse(arguments)
    try:
        engine = Engine.load(options.artifact, threads=options.threads)
        served = ServedModel(
            options.model,
            options.version,
            engine.signature,
            engine.preprocessing,
            engine.rule,
            replica=options.replica,
            max_rows=options.max_rows,
            max_body_bytes=options.max_body_mib << 20,
        )
        with listening_socket(options.address) as bound:
            idle = _serve(served, ModelWorker(engine), bound, grace_s=options.grace_s)
    except LeptonError as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201 the supervisor keeps it as the reason
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    if not idle:
        os._exit(0)  # a run of the model cannot be stopped, and Python would wait for its thread
    return 0


@dataclass(frozen=True)
class _Options:
    artifact: Path
    address: str
    model: str
    version: str
    replica: str
    max_rows: int
    max_body_mib: int
    threads: int
    grace_s: int


def _parse(arguments: Sequence[str] | None) -> _Options:
    parser = argparse.ArgumentParser(prog="model_server", description="Serve one model version over HTTP.")
    parser.add_argument("--artifact", type=Path, required=True, help="folder with model.onnx and signature.json")
    parser.add_argument("--address", required=True, help="unix:/path or tcp:127.0.0.1:PORT")
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--version", required=True, help="the version's number")
    parser.add_argument("--replica", default="", help="this replica's id")
    parser.add_argument("--max-rows", type=_at_least_one, default=4096, help="most rows in one request")
    parser.add_argument("--max-body-mib", type=_at_least_one, default=64, help="largest body in MiB")
    parser.add_argument("--threads", type=_at_least_one, default=1, help="CPU threads of one model run")
    parser.add_argument("--grace-s", type=_at_least_one, default=20, help="seconds to finish requests after SIGTERM")
    return _Options(**vars(parser.parse_args(arguments)))


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return number


def _serve(served: ServedModel, worker: ModelWorker, bound: socket.socket, *, grace_s: int) -> bool:
    """Answer until SIGTERM or SIGINT.

    Returns:
        Whether everything that was begun came to its end.
    """
    clock = SystemClock()
    log = RequestLog(
        line_writer(1), clock, {"model": served.name, "version": served.version, "replica": served.replica}
    )
    app = build_app(
        served, worker, log=log, clock=clock, new_id=id_source(clock), is_ready=lambda: not server.should_exit
    )
    config = uvicorn.Config(
        app,
        http=WholeAnswers,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=grace_s,
    )
    server = _Server(config)
    # What is loaded stays; and a large body is millions of young lists, none of them garbage. With Python's own
    # thresholds the collector took five times as long over 24 MiB of JSON as the parser.
    gc.freeze()
    gc.set_threshold(50_000, 20, 1000)
    log.event("ready", address=address_of(bound), pid=os.getpid())
    uvloop.run(server.serve(sockets=[bound]))
    idle = worker.stop()
    log.event("stopped", unfinished=not idle)
    return idle


class _Server(uvicorn.Server):
    """uvicorn, except that a stop on request is a success: uvicorn would die by the signal it has just obeyed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())

"""Runs Envoy and ends it gently: on SIGTERM requests in flight are finished first, which Envoy alone does not do.

Called as `python -I -S envoy_process.py ADMIN_SOCKET DRAIN_S ENVOY [ARGUMENT…]`, with the standard library alone.
A second signal ends Envoy at once. The exit code is Envoy's.
"""

import ctypes
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from types import FrameType

_FILES_WANTED = 65_536
_PR_SET_PDEATHSIG = 1
_ON_LINUX = sys.platform == "linux"


def main(arguments: list[str]) -> int:
    """Run Envoy until it ends, and return its exit code."""
    admin_socket, drain_s, argv = arguments[0], float(arguments[1]), arguments[2:]
    _raise_file_limit()
    # On Linux Envoy gets a process group of its own, so that a SIGTERM for ours leaves it time to drain; should this
    # process be killed, the kernel ends Envoy with it. Elsewhere it shares our group and its fate.
    envoy = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        process_group=0 if _ON_LINUX else None,
        preexec_fn=_end_with_parent if _ON_LINUX else None,
    )
    in_a_hurry = threading.Event()
    draining = threading.Thread(target=_drain, args=(envoy, admin_socket, drain_s, in_a_hurry), daemon=True)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if draining.ident is None:
            draining.start()
        else:
            in_a_hurry.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    code = envoy.wait()
    return code if code >= 0 else 128 - code


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _drain(envoy: "subprocess.Popen[bytes]", admin_socket: str, drain_s: float, in_a_hurry: threading.Event) -> None:
    deadline = time.monotonic() + drain_s
    try:
        # From now on answers say `connection: close`, and nobody is let in any more.
        _ask(admin_socket, "POST", "/healthcheck/fail")
        _ask(admin_socket, "POST", "/drain_listeners")
        while time.monotonic() < deadline and _requests_in_flight(admin_socket):
            if in_a_hurry.wait(0.02):
                break
    except OSError:
        pass  # it does not answer: there is nothing to wait for
    envoy.terminate()


def _requests_in_flight(admin_socket: str) -> int:
    stats = _ask(admin_socket, "GET", "/stats?filter=downstream_rq_active")
    return sum(int(count) for count in re.findall(rb"http\.(?:api|endpoints)\.downstream_rq_active: (\d+)", stats))


def _ask(admin_socket: str, method: str, path: str) -> bytes:
    # By hand: the library for HTTP would double what this process takes.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        connection.connect(admin_socket)
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


if __name__ == "__main__":
    try:
        exit_code = main(sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"error: Envoy cannot be started: {error}\n")
        exit_code = 1
    sys.exit(exit_code)

"""The demo: the founding script trains on the real MNIST, and its model answers test images over HTTP."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import numpy as np
import orjson

ROOT = Path(__file__).resolve().parent.parent
LEPTON = str(Path(sys.executable).parent / "lepton")
SCRIPT = ROOT / "examples" / "01_founding_script.py"
IMAGES = 1000
CLIENTS = 8


def main() -> int:
    """Tell the story from data to a live endpoint; returns the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="lepton-demo-"))
    keep = bool(os.environ.get("LEPTON_DEMO_KEEP"))
    try:
        with cloud(folder) as (address, environment):
            story(folder, address, environment)
        return 0
    except subprocess.CalledProcessError as error:
        say(f"error: `{' '.join(map(str, error.cmd))}` ended with {error.returncode}")
        sys.stderr.write(f"{error.stderr or ''}{error.stdout or ''}")
        keep = True
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if keep:
            say(f"Everything is left in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def story(folder: Path, address: dict[str, str], environment: dict[str, str]) -> None:
    """The steps, each told in a line."""
    trained = train(folder, environment)
    say(trained)
    lepton(environment, "deploy", "digits@champion", "--name", "digits", "--min-replicas", "2")
    say("Deployed digits@champion as endpoint digits, two replicas")

    with np.load(dataset(environment) / "mnist.npz") as data:
        images, labels = data["x_test"][:IMAGES] / 255.0, data["y_test"][:IMAGES]
    target = f"{address['endpoints_url']}/default/digits/predict"
    token = (folder / "cloud" / "admin-token").read_text().strip()
    answers = ask(target, token, images)
    check_all(answers)
    right = sum(answer.label == label for answer, label in zip(answers, labels, strict=True))
    milliseconds = sorted(1000 * answer.seconds for answer in answers)
    p50, p99 = quantiles(milliseconds, n=100)[49], quantiles(milliseconds, n=100)[98]
    elapsed = max(answer.at for answer in answers) - min(answer.at - answer.seconds for answer in answers)
    say(f"Accuracy over HTTP: {right / len(labels):.4f} ({len(labels)} test images, one request each)")
    say(f"Latency: p50 {p50:.1f} ms, p99 {p99:.1f} ms at {CLIENTS} clients, {len(labels) / elapsed:.0f} requests/s")

    killed, answers = kill_one(environment, lambda: ask(target, token, images))
    failed = sum(not answer.good for answer in answers)
    say(f"Killed replica {killed} under load: {failed} of {len(answers)} requests failed")
    check_all(answers)

    say("")
    say("Go on with a cloud of your own:")
    say("  .venv/bin/lepton up --detach")
    say("  .venv/bin/lepton run examples/01_founding_script.py --push digits")
    say("  .venv/bin/lepton deploy digits --min-replicas 2")


@contextmanager
def cloud(folder: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """A cloud on free ports in a folder of its own, with a HOME of its own; stopped at the end, whatever happens."""
    from lepton_ai.sdk.cloud import free_port_pair

    home, temporary = folder / "home", folder / "tmp"
    home.mkdir()
    temporary.mkdir()
    mine = {name: value for name, value in os.environ.items() if not name.startswith("LEPTON_WORKSPACE")}
    environment = mine | {
        "HOME": str(home),
        "TMPDIR": str(temporary),  # TensorFlow leaves byte code in the temporary folder
        "LEPTON_DATA_DIR": str(folder / "cloud"),
        "LEPTON_PORT": str(free_port_pair()),
        "LEPTON_CONFIG": "",
    }
    address = json.loads(lepton(environment, "up", "--detach", "--json"))
    try:
        status = json.loads(lepton(environment, "status", "--json"))
        say(f"The cloud is up at {address['api_url']}, gateway: {status['gateway']['driver']}")
        yield address, environment
    finally:
        lepton(environment, "down")
        say("Stopped everything that was started.")


def train(folder: Path, environment: dict[str, str]) -> str:
    """Run the founding script and push its model; returns the script's own last line."""
    log = folder / "training.log"
    began = time.monotonic()
    with log.open("wb") as output:
        command = [LEPTON, "run", str(SCRIPT), "--push", "digits"]
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        with interrupting(process):
            while process.poll() is None:
                show(f"Training by {SCRIPT.relative_to(ROOT)}: {progress_of(log)} ({time.monotonic() - began:.0f} s)")
                time.sleep(0.5)
    clear()
    text = log.read_text(errors="replace")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, text)
    say(f"Trained by {SCRIPT.relative_to(ROOT)} in {time.monotonic() - began:.0f} s, registered as digits:1")
    return next(line for line in reversed(text.splitlines()) if line.startswith("Test accuracy:"))


class Answer:
    """One request's answer."""

    def __init__(self, status: int, label: object, seconds: float) -> None:
        self.status, self.label, self.seconds, self.at = status, label, seconds, time.monotonic()

    @property
    def good(self) -> bool:
        return self.status == 200


def ask(target: str, token: str, images: "np.ndarray") -> list[Answer]:
    """Send each image as a request of its own from several clients; a failure is counted, never repeated."""
    parts = urlsplit(target)
    local = threading.local()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def one(image: "np.ndarray") -> Answer:
        connection = getattr(local, "connection", None)
        if connection is None:
            connection = local.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        body = orjson.dumps({"inputs": image[np.newaxis]}, option=orjson.OPT_SERIALIZE_NUMPY)
        began = time.perf_counter()
        try:
            connection.request("POST", parts.path, body, headers)
            response = connection.getresponse()
            payload = orjson.loads(response.read())
            label = payload["outputs"][0]["label"] if response.status == 200 else None
            return Answer(response.status, label, time.perf_counter() - began)
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            return Answer(0, None, time.perf_counter() - began)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, images))


def kill_one(environment: dict[str, str], load: "Callable[[], list[Answer]]") -> tuple[str, list[Answer]]:
    """Kill one replica's process with SIGKILL while requests run."""
    replicas = json.loads(lepton(environment, "endpoint", "show", "digits", "--json"))["replicas"]
    victim = replicas[0]["id"]
    state = json.loads((Path(environment["LEPTON_DATA_DIR"]) / f"run/workers/{victim}/state.json").read_text())
    timer = threading.Timer(0.3, os.kill, (state["worker"]["pid"], signal.SIGKILL))
    timer.start()
    try:
        return victim, load()
    finally:
        timer.cancel()


def check_all(answers: list[Answer]) -> None:
    """End the demo when a request failed: a demo that hides failures shows nothing."""
    bad = [answer.status for answer in answers if not answer.good]
    if bad:
        raise SystemExit(f"error: {len(bad)} of {len(answers)} requests failed, with status {sorted(set(bad))}")


def dataset(environment: dict[str, str]) -> Path:
    """Where the data set that the script trained on lies."""
    return Path(json.loads(lepton(environment, "data", "show", "mnist", "--json"))["folder"])


def lepton(environment: dict[str, str], *words: str) -> str:
    """Run a `lepton` command and return what it printed."""
    result = subprocess.run(
        [LEPTON, *words], env=environment, capture_output=True, text=True, check=True, cwd=environment["HOME"]
    )
    return result.stdout


def progress_of(log: Path) -> str:
    """How far Keras is, from the end of its log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        text = file.read().decode(errors="replace")
    epochs = re.findall(r"Epoch (\d+/\d+)", text)
    accuracies = re.findall(r"accuracy: (0\.\d{3})", text)
    return f"epoch {epochs[-1]}, accuracy {accuracies[-1]}" if epochs and accuracies else "loading TensorFlow"


@contextmanager
def interrupting(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Take the child along when this process is interrupted."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def say(line: str) -> None:
    """One line of the story."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def show(line: str) -> None:
    """The one moving line; nothing where nobody watches."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        sys.stdout.write(f"\r\x1b[K{line[:width]}")
        sys.stdout.flush()


def clear() -> None:
    """Take the moving line away."""
    show("")


if __name__ == "__main__":
    sys.exit(main())

"""Send the API what its own OpenAPI document allows and forbids: `python tests/fuzz_api.py [CASES]`, see the script.

The tool lives in an environment of its own, as the clients of `make test-lep` do: it is no part of what is shipped.
"""

import subprocess
import sys
from pathlib import Path

from cloud_lab import cloud_lab

TOOL = Path(__file__).parents[1] / ".schemathesis" / "bin" / "st"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "ignored_auth",
)


def main(cases: str = "200") -> int:
    """Run it; returns 1 when something was found."""
    with cloud_lab("python_proxy") as lab:
        lab.deploy("numbers", min_replicas=1)
        # What a case may do to the cloud is undone with it. Its own token must live: without it, nothing is reached.
        command = [
            *(str(TOOL), "run", f"http://127.0.0.1:{lab.port}/openapi.json", "--no-color"),
            *("--header", f"Authorization: {lab.bearer['authorization']}", "--max-examples", cases),
            *("--checks", ",".join(CHECKS), "--generation-deterministic", "--continue-on-failure"),
            *("--request-timeout", "30"),
        ]
        found = subprocess.run(command, check=False, cwd=lab.root).returncode
        if "Traceback" in (lab.folders.logs / "server.log").read_text():
            sys.stderr.write(f"the server's log has a stack trace: {lab.folders.logs / 'server.log'}\n")
            found = 1
    return int(found != 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

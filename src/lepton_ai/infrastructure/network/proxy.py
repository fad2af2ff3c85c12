"""The Python gateway's process: `python -m lepton_ai.infrastructure.network.proxy`, started by its driver's command.

It listens on the ports of its command line, takes over its configuration file whenever that is replaced, and answers
`/ready`, `/version` and `/stats` on its admin socket. On SIGTERM it finishes the requests in flight.
"""

import argparse
import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import uvloop
from aiohttp import web

from lepton_ai.core.errors import InvalidInput
from lepton_ai.infrastructure.network import limits
from lepton_ai.infrastructure.network.proxy_config import WatchedConfig
from lepton_ai.infrastructure.network.proxy_connection import ClientConnection
from lepton_ai.infrastructure.network.proxy_service import ProxyService

_LOOK_AGAIN_S = 0.025
_FILES_WANTED = 65_536
_BACKLOG = 2_048


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gateway until SIGTERM. Returns 0, or 1 when it cannot listen or has no configuration."""
    parser = argparse.ArgumentParser(prog="lepton-proxy", description="The Python gateway of lepton-ai.")
    parser.add_argument("--config", type=Path, required=True, help="the file that the driver writes")
    parser.add_argument("--admin", type=Path, required=True, help="the admin socket to open")
    parser.add_argument("--host", required=True, help="the address to listen on")
    parser.add_argument("--api-port", type=int, required=True)
    parser.add_argument("--endpoints-port", type=int, required=True)
    parser.add_argument("--release", help="the version of lepton-ai; another one is another command line")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _raise_file_limit()
    try:
        uvloop.run(Proxy(options).run())
    except (OSError, InvalidInput) as error:
        sys.stderr.write(f"error: the gateway cannot run: {error}\n")
        return 1
    return 0


class Proxy:
    """The process's listeners and its watch over the configuration.

    Args:
        options: The parsed command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._config = WatchedConfig(options.config)
        self._signals = 0

    async def run(self) -> None:
        """Listen, follow the configuration, and drain when asked to stop."""
        loop = asyncio.get_running_loop()
        self._service = ProxyService(self._config.current)
        doors = [web.Server(self._service.answer_api), web.Server(self._service.answer_endpoint)]
        for door in doors:
            # A client that leaves ends the work for it.
            door.handler_cancellation = True
        listeners = [
            await self._listen(door, port)
            for door, port in zip(doors, (self._options.api_port, self._options.endpoints_port), strict=True)
        ]
        # The ports are ours, so a socket that another gateway left behind is nobody's.
        admin = await self._open_admin_socket()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        await self._follow_config()
        for listener in listeners:
            listener.close()
        await self._drain(doors)
        await admin.cleanup()
        await self._service.close()

    async def _listen(self, door: web.Server, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: ClientConnection(door, loop=loop), self._options.host, port, backlog=_BACKLOG
        )

    async def _open_admin_socket(self) -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(self._answer_admin), access_log=None)
        await runner.setup()
        self._options.admin.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            await web.UnixSite(runner, self._options.admin).start()
        finally:
            os.umask(before)
        return runner

    async def _answer_admin(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.path:
            case "/ready":
                return web.Response(text="ready\n")
            case "/version":
                return web.json_response({"version": self._applied_version(), "rejected": self._config.rejected})
            case "/stats":
                return web.json_response({path: asdict(stats) for path, stats in self._service.stats().items()})
        return web.Response(status=404)

    def _applied_version(self) -> str | None:
        """The table's version, unless the table says to listen elsewhere."""
        table = self._config.current.table
        wanted = (table.host, table.api_port, table.endpoints_port)
        listening = (self._options.host, self._options.api_port, self._options.endpoints_port)
        return self._config.current.version if wanted == listening else None

    async def _follow_config(self) -> None:
        while not self._signals:
            if self._config.has_changed():
                self._service.take_over(self._config.current)
            await self._service.tidy()
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _on_signal(self) -> None:
        self._signals += 1

    async def _drain(self, doors: Sequence[web.Server]) -> None:
        """Let requests in flight end, for a while or until a second signal; other connections are closed at once."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + limits.DRAIN_S
        while loop.time() < deadline_s and self._signals < 2:
            connections = [connection for door in doors for connection in door.connections]
            for connection in connections:
                if isinstance(connection, ClientConnection) and connection.is_idle:
                    connection.force_close()
            if not connections:
                break
            await asyncio.sleep(_LOOK_AGAIN_S)
        for door in doors:
            for connection in door.connections:
                connection.force_close()


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())

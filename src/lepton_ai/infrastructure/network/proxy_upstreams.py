"""The proxy's connections to replicas: kept open for a moment, shared by requests, and the least busy one first."""

import hashlib
import random
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from multidict import CIMultiDict
from yarl import URL

from lepton_ai.infrastructure.network import limits
from lepton_ai.infrastructure.network.routes import host_and_port, socket_path


class NotReached(Exception):
    """No connection came about, so the request was not received: it may always be sent again."""


class BrokeOff(Exception):
    """The connection broke before an answer came: the request may have been received."""


class UpstreamPool:
    """The connections to one replica.

    Args:
        address: `unix:/path` or `tcp:127.0.0.1:PORT`.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.active = 0
        path = socket_path(address)
        keep: dict[str, Any] = {"limit": 0, "keepalive_timeout": limits.UPSTREAM_IDLE_S}
        connector = aiohttp.UnixConnector(path, **keep) if path else aiohttp.TCPConnector(limit_per_host=0, **keep)
        host, port = ("localhost", 80) if path else host_and_port(address)
        self._origin = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.CONNECT_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
            max_line_size=64 * 1024,
            max_field_size=64 * 1024,
            middlewares=(_never_repeat,),
        )

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count a request as being worked on while the block runs."""
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1

    async def send(self, method: str, target: str, headers: CIMultiDict[str], body: Any) -> ClientResponse:
        """Send a request and wait for the head of the answer.

        Args:
            method: The method.
            target: Path and query, passed on as they are.
            headers: All headers.
            body: An asynchronous iterator of chunks, or None.

        Raises:
            NotReached: There was no connection.
            BrokeOff: It broke before the head of the answer came, or that was no HTTP.
        """
        url = URL(self._origin + target, encoded=True)
        try:
            return await self._session.request(method, url, headers=headers, data=body, allow_redirects=False)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotReached from error
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError) as error:
            raise BrokeOff from error

    async def close_when_idle(self) -> None:
        """Close its connections if none of them is at work."""
        if not self.active:
            await self._session.close()

    @property
    def is_closed(self) -> bool:
        """Whether all its connections are closed."""
        return self._session.closed


class Upstreams:
    """The pools of all replicas in the table, each made when it is first needed."""

    def __init__(self) -> None:
        self._pools: dict[str, UpstreamPool] = {}
        self._leaving: list[UpstreamPool] = []

    def choose(self, addresses: Sequence[str], tried: Collection[str], affinity: str | None = None) -> UpstreamPool:
        """The replica for a request, an untried one if there is any.

        Args:
            addresses: The replicas.
            tried: Those that this request went to before.
            affinity: Equal ones get the same replica, and when one comes or goes only its share moves (rendezvous
                hashing, Thaler and Ravishankar 1998). None: the one with the fewest requests, at random among equals.
        """
        candidates = [address for address in addresses if address not in tried] or list(addresses)
        if affinity is not None:
            return self._pool(max(candidates, key=lambda address: _rank(affinity, address)))
        random.shuffle(candidates)
        return min((self._pool(address) for address in candidates), key=lambda pool: pool.active)

    async def keep_only(self, addresses: Collection[str]) -> None:
        """Let the pools of other addresses go, each after its last request."""
        for address in [address for address in self._pools if address not in addresses]:
            self._leaving.append(self._pools.pop(address))
        for pool in self._leaving:
            await pool.close_when_idle()
        self._leaving = [pool for pool in self._leaving if not pool.is_closed]

    def active(self, addresses: Collection[str]) -> int:
        """How many requests these replicas are working on."""
        return sum(self._pools[address].active for address in addresses if address in self._pools)

    def _pool(self, address: str) -> UpstreamPool:
        if address not in self._pools:
            self._pools[address] = UpstreamPool(address)
        return self._pools[address]


def _rank(affinity: str, address: str) -> bytes:
    return hashlib.blake2b(f"{affinity}\0{address}".encode(errors="surrogateescape"), digest_size=8).digest()


async def _never_repeat(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep the client library from sending a GET again by itself when the connection breaks."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise BrokeOff from error

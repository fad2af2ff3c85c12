"""Passing one request on to a replica and its answer back, with another try where that is harmless."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from lepton_ai.infrastructure.network import limits, proxy_headers, refusals
from lepton_ai.infrastructure.network.proxy_body import RequestBody
from lepton_ai.infrastructure.network.proxy_tunnel import tunnel
from lepton_ai.infrastructure.network.proxy_upstreams import BrokeOff, NotReached, UpstreamPool, Upstreams
from lepton_ai.infrastructure.network.refusals import Refusal

# An answer of known length up to this is read whole before its first byte goes out, so that one that breaks in the
# middle can still be asked for again.
_SMALL_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Errand:
    """Where one request goes and on what terms.

    Args:
        addresses: Gives the replicas that are ready; asked before each try, as they may have changed.
        target: The path and query that the replica receives.
        headers: What the replica receives in place of the client's headers of those names; None removes one.
        retry_on_reset: Whether it may be sent again after it may have been received.
        idle_s: How long nothing may move, in either direction.
        affinity: Requests with the same one go to the same replica while it is there.
        nobody: The answer when there is no replica.
        unreachable: The answer when none could be reached.
        broke_off: The answer when the replica broke off.
        too_slow: The answer when it took too long.
    """

    addresses: Callable[[], Sequence[str]]
    target: str
    headers: dict[str, str | None] = field(default_factory=dict)
    retry_on_reset: bool = False
    idle_s: float = limits.API_IDLE_S
    affinity: str | None = None
    nobody: Refusal = refusals.NO_REPLICA
    unreachable: Refusal = refusals.REPLICAS_UNREACHABLE
    broke_off: Refusal = refusals.REPLICA_BROKE_OFF
    too_slow: Refusal = refusals.ANSWER_TOO_SLOW


class Refused(Exception):
    """The request is answered by the gateway itself."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


async def forward(
    request: web.BaseRequest, errand: Errand, upstreams: Upstreams, request_id: str
) -> web.StreamResponse:
    """Run the errand.

    Returns:
        The replica's answer; unless it is small it has been sent.

    Raises:
        Refused: There is no answer from a replica, and nothing has been sent to the client.
    """
    return await _Forwarding(request, errand, upstreams, request_id).run()


class _Forwarding:
    """One request on its way."""

    def __init__(self, request: web.BaseRequest, errand: Errand, upstreams: Upstreams, request_id: str) -> None:
        self._request = request
        self._errand = errand
        self._upstreams = upstreams
        self._request_id = request_id
        self._idle = asyncio.timeout(errand.idle_s)
        self._body = RequestBody(request, self._moved)
        self._answer_begun = False

    async def run(self) -> web.StreamResponse:
        try:
            async with self._idle:
                return await self._try_replicas()
        except TimeoutError:
            if self._answer_begun:
                return self._cut_off()
            raise Refused(self._errand.too_slow if self._body.is_complete else refusals.REQUEST_TOO_SLOW) from None

    def _moved(self) -> None:
        """Something came or went: the wait begins anew."""
        self._idle.reschedule(asyncio.get_running_loop().time() + self._errand.idle_s)

    async def _try_replicas(self) -> web.StreamResponse:
        tried: set[str] = set()
        refusal = self._errand.nobody
        for attempt in range(limits.TRIES):
            addresses = self._errand.addresses()
            if not addresses:
                raise Refused(self._errand.nobody)
            if attempt and tried.issuperset(addresses):
                await asyncio.sleep(_backoff_s(attempt))
            pool = self._upstreams.choose(addresses, tried, self._errand.affinity)
            tried.add(pool.address)
            try:
                with pool.working():
                    return await self._ask(pool)
            except NotReached:
                refusal, may_repeat = self._errand.unreachable, True
            except BrokeOff:
                refusal = refusals.REQUEST_MALFORMED if self._body.failed else self._errand.broke_off
                may_repeat = self._errand.retry_on_reset
            if not (may_repeat and self._body.can_be_sent_again):
                break
        raise Refused(refusal)

    async def _ask(self, pool: UpstreamPool) -> web.StreamResponse:
        request = self._request
        wants_websocket = proxy_headers.asks_for_websocket(request)
        headers = proxy_headers.to_replica(request, self._errand.headers, websocket=wants_websocket)
        async with await pool.send(request.method, self._errand.target, headers, self._body.chunks()) as answer:
            self._moved()
            answer_headers = proxy_headers.to_client(answer, self._request_id)
            if answer.status == 101:
                if not wants_websocket:
                    raise BrokeOff
                self._answer_begun = True
                return await tunnel(request, answer, answer_headers, self._moved)
            length = answer.content_length
            if request.method != "HEAD" and length is not None and 0 < length <= _SMALL_ANSWER_BYTES:
                body = await _read(answer)
                return web.Response(status=answer.status, reason=answer.reason, headers=answer_headers, body=body)
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=answer_headers)
            return await self._relay(answer, response)

    async def _relay(self, answer: aiohttp.ClientResponse, response: web.StreamResponse) -> web.StreamResponse:
        self._answer_begun = True
        await response.prepare(self._request)
        try:
            async for chunk in answer.content.iter_any():
                self._moved()
                await response.write(chunk)
        except aiohttp.ClientPayloadError:
            return self._cut_off()
        await response.write_eof()
        return response

    def _cut_off(self) -> web.StreamResponse:
        """Close the connection in the middle of an answer, so that the client sees that it is not whole."""
        self._request.protocol.force_close()
        raise ConnectionResetError("the answer broke off")


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    try:
        return await answer.read()
    except aiohttp.ClientError as error:
        raise BrokeOff from error


def _backoff_s(attempt: int) -> float:
    first, longest = limits.RETRY_BACKOFF_S
    longest_now = min(longest, first * float(2 ** (attempt - 1)))
    return random.uniform(longest_now / 2, longest_now)  # noqa: S311 - spreads the tries, guards nothing

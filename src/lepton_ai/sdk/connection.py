"""One HTTP connection to a workspace: authentication, safe retries, and errors as the server meant them."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
import orjson
from pydantic import BaseModel, ValidationError

from lepton_ai.core.errors import DeadlineExceeded, LeptonError, Unavailable, error_class

Shape = TypeVar("Shape", bound=BaseModel)

_RETRIED = (502, 503, 504)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Connection:
    """Speaks to one address with one token.

    A request that may be repeated (a read, a change that says the same twice, a create with its `Idempotency-Key`) is
    sent again when the server was not there, within a total time; anything else is sent once.

    Args:
        url: The address that paths are appended to.
        token: The bearer token; empty for none.
        timeout_s: How long one answer may take.
        retry_for_s: How long a request that may be repeated is tried.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = 120.0, retry_for_s: float = 5.0) -> None:
        self.url = url.rstrip("/")
        self._retry_for_s = retry_for_s
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # A proxy from the environment is for the world outside, never for this machine.
        outside = urlsplit(url).hostname not in _LOOPBACK
        self._client = httpx2.Client(headers=headers, timeout=timeout_s, trust_env=outside)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self._client.close()

    def read(self, kind: type[Shape], path: str) -> Shape:
        """Read one thing of a shape."""
        return parsed(kind, self.get(path), self.url)

    def read_list(self, kind: type[Shape], path: str) -> list[Shape]:
        """Read a list of things of a shape."""
        answer = self.get(path)
        if not isinstance(answer, list):
            raise not_lepton(self.url)
        return [parsed(kind, item, self.url) for item in answer]

    def get(self, path: str, **query: Any) -> Any:
        """Read a JSON value."""
        return self._json("GET", path, params={key: value for key, value in query.items() if value is not None})

    def create(self, path: str, body: Any) -> Any:
        """Make something, once, however often the request has to be sent."""
        return self._json("POST", path, body=body, headers={"idempotency-key": secrets.token_hex(16)})

    def post(self, path: str, body: Any) -> Any:
        """Ask something that is safe to repeat, such as a prediction."""
        return self._json("POST", path, body=body)

    def put(self, path: str, body: Any = None) -> Any:
        """Put something in place."""
        return self._json("PUT", path, body=body)

    def patch(self, path: str, body: Any, *, if_match: str | None = None) -> Any:
        """Change something."""
        return self._json("PATCH", path, body=body, headers={"if-match": if_match} if if_match else {})

    def delete(self, path: str) -> Any:
        """Remove something."""
        return self._json("DELETE", path)

    def exists(self, path: str) -> bool:
        """Whether something is there."""
        with _translated(self.url):
            response = self._client.head(self.url + path)
        if response.status_code == 404:
            return False
        self._raise_for(response)
        return True

    def head(self, path: str) -> Mapping[str, str]:
        """What is said of something before its bytes."""
        return self._send(lambda: self._client.head(self.url + path)).headers

    def upload(self, path: str, chunks: Callable[[], Iterator[bytes]], *, size_bytes: int | None = None) -> Any:
        """Send bytes in chunks.

        Args:
            chunks: Gives the chunks from the start, once for each try.
            size_bytes: How many bytes these are, for servers that must know before.
        """
        headers = {} if size_bytes is None else {"content-length": str(size_bytes)}
        response = self._send(lambda: self._client.put(self.url + path, content=chunks(), headers=headers))
        return orjson.loads(response.content) if response.content else None

    def send_file(self, path: str, field: str, name: str, chunks: Callable[[], Iterator[bytes]]) -> Any:
        """Send a file as one field of a form, once, however often the request has to be sent.

        Args:
            field: The field's name.
            name: The file's name, which the form must have and nobody reads.
            chunks: Gives its bytes from the start, once for each try.
        """
        boundary, key = secrets.token_hex(16), secrets.token_hex(16)
        shown = quote(name)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{shown}"\r\n\r\n'.encode()
        headers = {"content-type": f"multipart/form-data; boundary={boundary}", "idempotency-key": key}

        def form() -> Iterator[bytes]:
            yield head
            yield from chunks()
            yield f"\r\n--{boundary}--\r\n".encode()

        response = self._send(lambda: self._client.post(self.url + path, content=form(), headers=headers))
        return orjson.loads(response.content)

    def fetch(self, path: str) -> bytes:
        """Read some bytes."""
        return self._send(lambda: self._client.get(self.url + path)).content

    def location(self, method: str, path: str) -> str:
        """Where the server sends this request on to."""
        response = self._send(lambda: self._client.request(method, self.url + path))
        if "location" not in response.headers:
            raise not_lepton(self.url)
        return str(response.headers["location"])

    @contextmanager
    def stream(self, path: str, **query: Any) -> Iterator[Iterator[bytes]]:
        """Read bytes as they come."""
        given = {key: value for key, value in query.items() if value is not None}
        with (
            _translated(self.url),
            self._client.stream("GET", self.url + path, params=given or None, follow_redirects=True) as response,
        ):
            if response.status_code >= 400:
                response.read()
            self._raise_for(response)
            yield response.iter_bytes()

    def _json(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        content = None if body is None else orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        sent = {**(headers or {}), **({"content-type": "application/json"} if content is not None else {})}
        response = self._send(
            lambda: self._client.request(method, self.url + path, content=content, headers=sent, params=params)
        )
        if response.status_code >= 300:  # to a page to log in at, perhaps
            raise not_lepton(self.url)
        try:
            return orjson.loads(response.content) if response.content else None
        except ValueError as error:
            raise not_lepton(self.url) from error

    def _send(self, send: Callable[[], httpx2.Response]) -> httpx2.Response:
        """Send, and again while the server is not there: everything sent this way may be repeated."""
        began_s = time.monotonic()
        pause_s = 0.05
        while True:
            try:
                with _translated(self.url):
                    response = send()
                self._raise_for(response)
                return response
            except LeptonError as error:
                if error.status not in _RETRIED or isinstance(error, DeadlineExceeded):
                    raise
                # A server that answers 503 will be back; where nothing listens at all, probably nobody will.
                patience_s = self._retry_for_s if error.request_id else min(1.0, self._retry_for_s)
                if time.monotonic() + pause_s > began_s + patience_s:
                    raise
            time.sleep(pause_s)
            pause_s = min(1.0, 2 * pause_s)

    def _raise_for(self, response: httpx2.Response) -> None:
        if response.status_code < 400:
            return
        try:
            problem = orjson.loads(response.content)
        except ValueError:
            problem = {}
        if not isinstance(problem, dict):
            problem = {}
        kind = error_class(str(problem.get("code", "")), response.status_code)
        told = [problem.get(key) for key in ("detail", "message")]
        raise kind(
            next(
                (text for text in told if isinstance(text, str) and text), f"{self.url} answered {response.status_code}"
            ),
            hint=problem.get("hint"),
            errors=problem.get("errors") or (),
            request_id=problem.get("request_id") or response.headers.get("x-request-id"),
        )


def parsed(kind: type[Shape], answer: Any, url: str) -> Shape:
    """An answer in the shape that it must have.

    Raises:
        Unavailable: It does not have it: whatever answered is no Lepton server, or one of another version.
    """
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        raise not_lepton(url) from error


def not_lepton(url: str) -> Unavailable:
    """The error for an answer that no Lepton server gives."""
    return Unavailable(f"{url} answers, but not as a Lepton server does", hint="Check the address: lepton whoami")


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except httpx2.TimeoutException as error:
        raise DeadlineExceeded(
            f"{url} did not answer in time", hint="`lepton status` tells how the cloud is."
        ) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise Unavailable(
            f"no cloud answers at {url}", hint="Start one with `lepton up`, or name another with `lepton login`."
        ) from error

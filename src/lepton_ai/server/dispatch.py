"""Which route answers a request: looked up by the noun in its path, instead of tried one after another."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from lepton_ai.server.rights import noun_of

_FOUND = "lepton_route"


class ByNoun(BaseRoute):
    """All routes of the API as one.

    With more than a hundred of them, trying each took a tenth of the time of a request.

    Args:
        routes: The routes.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes: dict[str, list[BaseRoute]] = {}
        for route in routes:
            self._routes.setdefault(noun_of(getattr(route, "path", "")), []).append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The first route that fits path and method; else the first that fits the path alone."""
        partial: tuple[Match, Scope] | None = None
        for route in self._routes.get(noun_of(scope["path"]), ()):
            match, found = route.matches(scope)
            if match is Match.NONE:
                continue
            found = {**found, _FOUND: route}
            if match is Match.FULL:
                return match, found
            partial = partial or (match, found)
        return partial or (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the route that was found answer."""
        await scope[_FOUND].handle(scope, receive, send)

"""`/simulator/...` of the web process, handed on to the simulated networks as it came. Only in the demo and tests."""

from typing import Any

from litestar import Request, Response, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from core.errors import Unavailable
from core.http import HttpClient, NoAnswer, NotSent


def forwarder(simulator: HttpClient) -> HTTPRouteHandler:
    """The route that hands requests on; a simulator that does not answer is Unavailable."""

    @route("/simulator/{path:path}", http_method=["GET", "POST", "PUT", "DELETE"], include_in_schema=False)
    async def forward(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[bytes]:
        try:
            answer = await simulator.request(
                request.method,
                f"/simulator{path}",
                params=request.url.query,
                content=await request.body(),
                headers={"content-type": request.headers.get("content-type", "application/json")},
            )
        except (NotSent, NoAnswer):
            raise Unavailable() from None
        return Response(
            answer.body, status_code=answer.status, media_type=answer.headers.get("content-type", "application/json")
        )

    return forward

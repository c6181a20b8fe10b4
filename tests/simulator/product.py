"""A product that only listens: what the networks tell us, and answers to hand back."""

from typing import Any

from litestar import Litestar, Request, Response, route
from litestar.params import FromPath

PHONE = "+237670000001"
USSD = "/ussd/africastalking/demo"
USSD_EVENTS = f"{USSD}/events"
SMS = "/sms/africastalking/demo"
PAYMENTS = "/payments/campay/demo"


class Product:
    """What the networks say to us; questions take the `answers` one by one, all else is answered 200."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.answers: list[Response[str]] = []

    def at(self, path: FromPath[str]) -> list[dict[str, Any]]:
        """The fields of the callbacks that came to `path`."""
        return [call["fields"] for call in self.heard if call["path"] == path]

    def app(self) -> Litestar:
        @route("/{path:path}", http_method=["GET", "POST", "PUT"], status_code=200, media_type="text/plain")
        async def hear(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[str]:
            json = request.headers.get("content-type", "").startswith("application/json")
            body = await request.json() if json else dict(await request.form())
            fields = body or dict(request.query_params)
            headers = dict(request.headers)
            self.heard.append({"method": request.method, "path": path, "fields": fields, "headers": headers})
            asked = self.answers and not path.endswith(("/events", "/reports"))
            return self.answers.pop(0) if asked else Response("", media_type="text/plain")

        return Litestar([hear], logging_config=None, openapi_config=None)


def page(text: str, label: str = "", status: int = 200, media_type: str = "text/plain") -> Response[str]:
    """An answer to a USSD turn."""
    headers = {"at-ussd-hop-metadata": label} if label else {}
    return Response(text, status_code=status, media_type=media_type, headers=headers)

"""The floor: a bare Litestar route that reads nothing and returns a constant."""

from litestar import Litestar, MediaType, route

PAGE = "CON " + "x" * 150


@route("/bare", http_method=["GET", "POST"], media_type=MediaType.TEXT, status_code=200)
async def bare() -> str:
    return PAGE


app = Litestar([bare], logging_config=None, openapi_config=None)

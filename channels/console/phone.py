"""`GET /phone`: feature phones in the browser, on the same networks as everybody else's."""

from functools import cache
from pathlib import Path
from string import Template

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.static_files import create_static_files_router

from core.settings import Settings
from core.texts import LANGUAGES, catalogue

_HERE = Path(__file__).parent
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'"

# The phones that stand on the desk when nobody asks for others; the numbers are the demo data's.
_DESK = ("237670000001", "237671000010", "237672000001")

static_files = create_static_files_router("/phone/static", [_HERE / "static"], include_in_schema=False)


@get("/phone", include_in_schema=False, sync_to_thread=False)
def phone_page(settings: NamedDependency[Settings]) -> Response[str]:
    """The desk with its phones. `?phones=2376…,2376….nalo` puts others on it, `?lang=en` changes its language."""
    page = _page(settings.service_code, settings.short_code, settings.ussd_dialects)
    return Response(page, media_type="text/html", headers={"content-security-policy": _POLICY})


@cache
def _page(service_code: str, short_code: str, dialects: tuple[str, ...]) -> str:
    codes = {"service_code": service_code, "short_code": short_code, "dialects": dialects}
    desk = {**codes, "phones": _DESK, "texts": _texts()}
    data = msgspec.json.encode(desk).decode().replace("<", "\\u003c")  # it stands inside a script element
    return Template((_HERE / "phone.html").read_text()).substitute(desk=data)


def _texts() -> dict[str, dict[str, str]]:
    """The page's words, by language, without their `phone.`."""
    return {
        language: {
            key.removeprefix("phone."): text for key, text in catalogue(language).items() if key.startswith("phone.")
        }
        for language in LANGUAGES
    }

"""What a plain service would do: a Litestar route that runs two Redis scripts through redis-py, and nothing else."""

import os

from litestar import Litestar, MediaType, Request, route
from redis.asyncio import Redis

from benchmarks.bare import PAGE

_CLAIM = "return redis.call('GET', KEYS[1])"
_COMMIT = "redis.call('SET', KEYS[1], ARGV[1], 'EX', 1800) return 1"
KEPT = b"x" * 1_000  # about what a session takes

redis = Redis.from_url(os.environ["REDIS_URL"])
claim, commit = redis.register_script(_CLAIM), redis.register_script(_COMMIT)


@route("/two-scripts", http_method=["GET", "POST"], media_type=MediaType.TEXT, status_code=200)
async def two_scripts(request: Request) -> str:
    """Reads a session and writes it again."""
    key = (await request.body())[:40] or b"nobody"
    await claim(keys=[key])
    await commit(keys=[key], args=[KEPT])
    return PAGE


app = Litestar([two_scripts], logging_config=None, openapi_config=None)

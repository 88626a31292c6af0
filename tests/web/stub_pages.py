"""Pages whose health, readiness and metrics say little: what a test is about stands in its routes."""

from orderwatch.web.server.app import Report, Routes, ServedPages


async def _says() -> Report:
    return {"ok": True}


async def _metrics(_: str) -> tuple[bytes, str]:
    return b"x 1\n", "text/plain"


def pages_with(*routes: Routes) -> ServedPages:
    return ServedPages(health=_says, readiness=_says, metrics=_metrics, routes=routes)

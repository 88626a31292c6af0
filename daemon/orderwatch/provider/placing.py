"""One request that changes something: sent once, and what its answer says of whether it was done."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

from yarl import URL

from orderwatch.errors import (
    MissingError,
    ProviderError,
    RejectedError,
    UnavailableError,
    UnclearError,
)
from orderwatch.provider.sanitize import refusal_text
from orderwatch.provider.transport import FINE, REFUSED, Reply, exchange, open_session


async def send_once(
    method: str, document: Mapping[str, object], url: URL, name: str, headers: Mapping[str, str]
) -> Reply:
    """Send it over a connection of its own, which cannot be one that the server is just closing.

    Raises `UnclearError` where it may have arrived and no whole answer came, `UnavailableError` where it
    surely did not arrive. A refusal comes with its words.
    """
    try:
        async with open_session() as session:
            reply = await exchange(
                session, method, url, name=name, headers=headers, document=document, with_refusal=True
            )
    except UnavailableError as error:
        if not error.reached:
            raise
        raise UnclearError(str(error)) from error
    except ProviderError as error:
        raise UnclearError(str(error)) from error
    return _without(headers, reply) if reply.status in REFUSED else reply


def must_be_done(reply: Reply) -> None:
    """Raise what any status but 2xx says of a request that changes something."""
    if reply.status in FINE:
        return
    if reply.status not in REFUSED or reply.status == HTTPStatus.REQUEST_TIMEOUT:
        raise UnclearError(f"{reply.name}: {reply.status}")
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise UnavailableError(_refusal(reply), wait=reply.retry_after or 0.0)
    if reply.status == HTTPStatus.NOT_FOUND:
        raise MissingError(_refusal(reply))
    raise RejectedError(_refusal(reply))


def quoted(reply: Reply) -> str:
    """The provider's words of a refusal, to be added to ours."""
    words = refusal_text(reply.body, reply.charset)
    return f"; the provider says: {words}" if words else ""


def _refusal(reply: Reply) -> str:
    return ": ".join(
        part for part in (reply.name, str(reply.status), refusal_text(reply.body, reply.charset)) if part
    )


def _without(headers: Mapping[str, str], reply: Reply) -> Reply:
    """The reply, should it repeat the token that it was sent, without it."""
    body = reply.body
    for value in headers.values():
        scheme, _, token = value.partition(" ")
        if scheme == "Bearer":
            body = body.replace(token.encode(), b"")
    return replace(reply, body=body)

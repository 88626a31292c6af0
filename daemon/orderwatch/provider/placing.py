"""Sends requests that change orders exactly once, and interprets whether they took effect."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from http import HTTPStatus

from yarl import URL

from orderwatch.core.network import Network
from orderwatch.errors import (
    MissingError,
    ProviderError,
    RejectedError,
    UnavailableError,
    UnclearError,
)
from orderwatch.ports import Check
from orderwatch.provider.sanitize import refusal_text
from orderwatch.provider.transport import CLIENT_ERROR, SUCCESS, Reply, exchange, open_session


class NotOfferedError(RejectedError):
    """The provider answers 405 or 410: it has no such request."""


async def send_once(
    method: str,
    document: Mapping[str, object] | None,
    url: URL,
    name: str,
    headers: Mapping[str, str],
    *,
    network: Network,
    before_send: Check = bool,
) -> Reply:
    """Send over a new connection, because the server may be closing an idle one.

    Raises `UnclearError` if it may have arrived without a complete response, `UnavailableError` if it did not
    arrive. A refusal is returned with its body. `before_send` runs when the connection is open; if it raises,
    nothing is sent.
    """
    try:
        async with open_session(network, before_send) as session:
            reply = await exchange(
                session, method, url, name=name, headers=headers, document=document, with_refusal=True
            )
    except UnavailableError as error:
        if not error.reached:
            raise
        raise UnclearError(str(error)) from error
    except ProviderError as error:
        raise UnclearError(str(error)) from error
    return _without_token(headers, reply) if reply.status in CLIENT_ERROR else reply


def raise_unless_done(reply: Reply, unclear: Collection[int] = ()) -> None:
    """Raise the error for any status except 2xx; after `unclear` ones the request may have taken effect."""
    if reply.status in SUCCESS:
        return
    if reply.status not in CLIENT_ERROR or reply.status == HTTPStatus.REQUEST_TIMEOUT:
        raise UnclearError(f"{reply.name}: {reply.status}")
    if reply.status in unclear:
        raise UnclearError(_refusal_message(reply))
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise UnavailableError(_refusal_message(reply), wait=reply.retry_after or 0.0)
    if reply.status == HTTPStatus.NOT_FOUND:
        raise MissingError(_refusal_message(reply))
    if reply.status in {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}:
        raise NotOfferedError(_refusal_message(reply))
    raise RejectedError(_refusal_message(reply))


def quote_refusal(reply: Reply) -> str:
    """Return the provider's message of a refusal as a suffix for an error text."""
    words = refusal_text(reply.body, reply.charset)
    return f"; the provider says: {words}" if words else ""


def _refusal_message(reply: Reply) -> str:
    return ": ".join(
        part for part in (reply.name, str(reply.status), refusal_text(reply.body, reply.charset)) if part
    )


def _without_token(headers: Mapping[str, str], reply: Reply) -> Reply:
    """Return the reply without the request's token, in case the provider repeats it."""
    body = reply.body
    for value in headers.values():
        scheme, _, token = value.partition(" ")
        if scheme == "Bearer":
            body = body.replace(token.encode(), b"")
    return replace(reply, body=body)

"""What takes notes in the tests: an HTTP server, a mail server, and the notes themselves."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from aiohttp import web

from orderwatch.core.notifications.notification import OutboxItem

_SPACE = UUID("00000000-0000-0000-0000-000000000000")


def item(number: int, text: str = "") -> OutboxItem:
    note_id = str(uuid5(_SPACE, str(number)))
    document = {
        "id": note_id,
        "event": "order.changed",
        "at": "2026-11-23T12:00:00Z",
        "text": text or f"No. {number}",
    }
    return OutboxItem(number, note_id, document)


@dataclass
class Request:
    method: str
    headers: Mapping[str, str]
    body: bytes
    answer: int | None = None  # the status
    peer: str | None = None

    @property
    def ids(self) -> list[str]:
        return [note["id"] for note in json.loads(self.body)["notes"]]


@dataclass
class Receiver:
    """Answers with what is in `answers`, then with 204; None hangs until it is closed."""

    url: str = ""
    port: int = 0
    answers: list[int | None] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""  # of each answer
    heard: list[Request] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        status = self.answers.pop(0) if self.answers else 204
        body = await request.read()
        self.heard.append(Request(request.method, request.headers.copy(), body, status, request.remote))
        self.came.set()
        if status is None:
            await self.closing.wait()
        return web.Response(status=status or 500, headers=self.headers, body=self.body or None)


@asynccontextmanager
async def receiver(
    *answers: int | None, tls: ssl.SSLContext | None = None, **headers: str
) -> AsyncIterator[Receiver]:
    there = Receiver(answers=list(answers), headers={k.replace("_", "-"): v for k, v in headers.items()})
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", there.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    there.port = runner.addresses[0][1]
    there.url = f"http://127.0.0.1:{there.port}/hook/canary-token"
    try:
        yield there
    finally:
        there.closing.set()
        await runner.cleanup()


@dataclass
class MailServer:
    """Just enough SMTP; refuses every mail with `refusal` where that is set."""

    port: int = 0
    mails: list[bytes] = field(default_factory=list)
    logins: int = 0
    refusal: str = ""
    tls: ssl.SSLContext | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _say(writer, "220 here")
        while line := (await reader.readline()).decode().strip():
            match line.split(maxsplit=1)[0].upper():
                case "EHLO":
                    await _say(writer, "250-here\r\n250-AUTH PLAIN\r\n250 8BITMIME")
                case "AUTH":
                    self.logins += 1
                    await _say(writer, "535 no canary-password")
                case "MAIL" if self.refusal:
                    await _say(writer, self.refusal)
                case "DATA":
                    await _say(writer, "354 go on")
                    mail = await reader.readuntil(b"\r\n.\r\n")
                    self.mails.append(mail)
                    await _say(writer, "250 taken")
                case "QUIT":
                    await _say(writer, "221 bye")
                    break
                case _:
                    await _say(writer, "250 fine")
        writer.close()


async def _say(writer: asyncio.StreamWriter, line: str) -> None:
    writer.write(f"{line}\r\n".encode())
    await writer.drain()


@asynccontextmanager
async def mail_server(**fields: Any) -> AsyncIterator[MailServer]:  # noqa: ANN401 - of any field
    there = MailServer(**fields)
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0, ssl=there.tls)
    there.port = server.sockets[0].getsockname()[1]
    async with server:
        yield there

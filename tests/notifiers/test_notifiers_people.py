"""Mail, and what apprise knows."""

import email
import email.policy
import sys
import types
from dataclasses import replace
from typing import Literal

import pytest
from tests.notifiers.receiver import item, mail_server

from orderwatch.errors import NotifyError
from orderwatch.notifiers import apprise
from orderwatch.notifiers.email import Email, Settings


def mail(port: int, password: str = "", tls: Literal["starttls", "tls", "none"] = "none") -> Email:
    return Email(
        Settings(
            host="127.0.0.1",
            port=port,
            tls=tls,
            user="me" if password else "",
            read_password=(lambda: password) if password else None,
            sender="orderwatch@here.example",
            to=("you@there.example", "other@there.example"),
        )
    )


async def test_one_mail_tells_all_that_was_gathered() -> None:
    async with mail_server() as there:
        for _ in range(2):
            await mail(there.port).send([item(1, "Köln is done."), item(2)])
    first, second = (email.message_from_bytes(m, policy=email.policy.default) for m in there.mails)
    assert first["Subject"] == "orderwatch: Köln is done. (and 1 more)"
    assert first["To"] == "you@there.example, other@there.example"
    assert first["Message-ID"] == second["Message-ID"]
    lines = first.get_content().splitlines()
    assert lines[:2] == ["2026-11-23T12:00:00Z  Köln is done.", "2026-11-23T12:00:00Z  No. 2"]


async def test_a_refused_mail_is_a_failure() -> None:
    async with mail_server(refusal="550 no") as there:
        with pytest.raises(NotifyError, match=r"^127.0.0.1 rejects the mail \(550\)$"):
            await mail(there.port).send([item(1)])


async def test_a_refused_password_is_said_without_it() -> None:
    async with mail_server() as there:
        with pytest.raises(NotifyError, match=r"rejects user or password \(535\)$") as caught:
            await mail(there.port, "canary-password").send([item(1)])
    assert "canary" not in str(caught.value)


async def test_what_mail_cannot_write_is_a_failure_that_quotes_nothing() -> None:
    async with mail_server() as there:
        usual = mail(there.port)._settings
        secret = replace(usual, user="me", read_password=lambda: "canäry")
        for wrong in (
            secret,
            replace(usual, host="a..b"),
            replace(usual, sender="a\nb"),
            replace(usual, sender=" <"),
        ):
            with pytest.raises(NotifyError, match=r"an address is invalid$") as caught:
                await Email(wrong).send([item(1)])
            assert caught.value.__suppress_context__


async def test_a_server_that_is_not_there_is_said() -> None:
    async with mail_server() as there:
        pass
    with pytest.raises(NotifyError, match="cannot be reached: Connection refused"):
        await mail(there.port).send([item(1)])


async def test_nothing_is_sent_in_the_clear_where_tls_is_wanted() -> None:
    async with mail_server() as there:
        with pytest.raises(NotifyError, match="does not support the configured"):
            await mail(there.port, "canary-password", tls="starttls").send([item(1)])
        with pytest.raises(NotifyError, match=r"^127\.0\.0\.1"):
            await mail(there.port, "canary-password", tls="tls").send([item(1)])
    assert there.mails == []
    assert not there.logins


LIBRARY = """
class Result:
    def __init__(self, good):
        self.good = good

    def __bool__(self):
        return self.good


class Apprise:
    body_maxlen = 200

    def add(self, url):
        self.url = url
        return url.startswith("chat://")

    def __iter__(self):
        return iter([self])

    def notify(self, title, body, body_format, notify_type):
        if "broken" in self.url:
            raise ValueError(self.url)
        print(title, body, body_format, notify_type, sep="|")
        return Result("full" not in self.url)
"""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's library, as far as it is used."""
    module = types.ModuleType("apprise")
    exec(LIBRARY, module.__dict__)  # noqa: S102
    monkeypatch.setitem(sys.modules, "apprise", module)


@pytest.mark.usefixtures("library")
async def test_apprise_is_given_title_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    await apprise.Apprise(apprise.Settings(read_url=lambda: "chat://canary")).send([item(1)])
    assert capsys.readouterr().out == "orderwatch: No. 1|12:00 UTC No. 1|text|info\n"


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("canary", "does not recognise"),
        ("chat://canary-broken", "apprise failed: ValueError"),
        ("chat://canary-full", "did not accept the notification"),
    ],
)
async def test_what_apprise_cannot_send_is_a_failure(url: str, why: str) -> None:
    with pytest.raises(NotifyError, match=why) as caught:
        await apprise.Apprise(apprise.Settings(read_url=lambda: url)).send([item(1)])
    assert "canary" not in str(caught.value)

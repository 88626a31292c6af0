"""Sends notifications as plain-text mail, one per batch."""

import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Literal

from orderwatch.core.notifications.mailbox import mailbox_problem
from orderwatch.core.notifications.notification import OutboxItem
from orderwatch.errors import NotifyError
from orderwatch.notifiers.daemon_thread import in_daemon_thread
from orderwatch.notifiers.payload import id_of, text_of, title_of
from orderwatch.tls import tls_context

_STEP_TIMEOUT_SECONDS = 15.0
_MAX_SUBJECT_LENGTH = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`read_password` is None if the server needs no login; `ca_pem` are additional authorities."""

    host: str
    port: int
    tls: Literal["starttls", "tls", "none"]
    user: str
    read_password: Callable[[], str] | None
    sender: str
    to: tuple[str, ...]
    ca_pem: bytes = b""


class Email:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, items: Sequence[OutboxItem]) -> None:
        host = self._settings.host
        try:
            mail = self._mail(items)
            await in_daemon_thread(lambda: self._deliver(mail))
        except smtplib.SMTPAuthenticationError as error:
            raise NotifyError(f"{host} rejects user or password ({error.smtp_code})") from error
        except smtplib.SMTPRecipientsRefused as error:
            raise NotifyError(f"{host} rejects every address in `to`") from error
        except smtplib.SMTPNotSupportedError as error:
            raise NotifyError(f"{host} does not support the configured TLS or login") from error
        except smtplib.SMTPResponseException as error:
            raise NotifyError(f"{host} rejects the mail ({error.smtp_code})") from error
        except ssl.SSLCertVerificationError as error:
            raise NotifyError(f"the certificate of {host} is not trusted") from error
        except smtplib.SMTPException as error:
            raise NotifyError(f"{host}: {type(error).__name__}") from error
        except TimeoutError as error:
            raise NotifyError(f"{host} does not respond in time") from error
        except OSError as error:
            raise NotifyError(f"{host} cannot be reached: {error.strerror or 'no response'}") from error
        except (ValueError, IndexError):  # of the library; it may quote the password
            raise NotifyError(f"{host}: host, user, password or an address is invalid") from None

    def _mail(self, items: Sequence[OutboxItem]) -> EmailMessage:
        if any(map(mailbox_problem, (self._settings.sender, *self._settings.to))):
            raise ValueError
        mail = EmailMessage()
        mail["Subject"] = f"orderwatch: {title_of(items)}"[:_MAX_SUBJECT_LENGTH]
        mail["From"] = self._settings.sender
        mail["To"] = ", ".join(self._settings.to)
        mail["Date"] = datetime.fromisoformat(str(items[-1].document["at"]))
        mail["Message-ID"] = f"<{id_of(items)}@{socket.gethostname()}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text_of(items), cte="quoted-printable")  # accepted by every server
        return mail

    def _deliver(self, mail: EmailMessage) -> None:
        settings = self._settings
        with self._connect() as server:
            if settings.tls == "starttls":
                server.starttls(context=tls_context(settings.ca_pem))
            if settings.read_password is not None:
                server.login(settings.user, settings.read_password())
            server.send_message(mail)

    def _connect(self) -> smtplib.SMTP:
        host, port = self._settings.host, self._settings.port
        us = socket.gethostname()  # otherwise a DNS query, which may be slow
        if self._settings.tls == "tls":
            context = tls_context(self._settings.ca_pem)
            return smtplib.SMTP_SSL(host, port, us, timeout=_STEP_TIMEOUT_SECONDS, context=context)
        return smtplib.SMTP(host, port, us, timeout=_STEP_TIMEOUT_SECONDS)


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Email]:
    yield Email(settings)

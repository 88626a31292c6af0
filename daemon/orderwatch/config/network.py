"""The `[network]` table: proxy, certificate authorities, private download networks."""

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr, ValidationInfo

from orderwatch.config.secrets import INDIRECT, why_unreadable
from orderwatch.config.types import MaybeSecret, Table, Words
from orderwatch.core.network import certificates_in, parse_download_network, parse_no_proxy, parse_proxy


def _proxy(secret: SecretStr) -> SecretStr:
    """Validate the URL of a proxy once it is known."""
    text = secret.get_secret_value()
    if text and not text.startswith(INDIRECT):
        parse_proxy(text)
    return secret


def _no_proxy(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        try:
            parse_no_proxy(entry)
        except ValueError as error:
            raise ValueError(f"{entry!r} {error}") from None
    return entries


def _private_downloads(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        try:
            parse_download_network(entry)
        except ValueError as error:
            raise ValueError(f"{entry!r} {error}") from None
    return entries


def _ca_file(path: str, info: ValidationInfo) -> str:
    if path and not Path(path).is_absolute():
        raise ValueError('must be an absolute path, or "" for none')
    if path and (info.context or {}).get("resolve"):
        read_certificates(path)
    return path


def read_certificates(path: str) -> bytes:
    """Return the PEM certificates of a file. Raises `ValueError` if there is none, or one is invalid."""
    try:
        found = certificates_in(Path(path).read_bytes())
    except OSError as error:
        raise ValueError(f"{path} {why_unreadable(error)}") from error
    if not found:
        raise ValueError(f"{path} contains no certificate in PEM format")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"{path} contains an invalid certificate") from error
    return found


class Network(Table):
    proxy: Annotated[MaybeSecret, AfterValidator(_proxy)] = SecretStr("")
    no_proxy: Annotated[Words, AfterValidator(_no_proxy)] = ()
    ca_file: Annotated[str, AfterValidator(_ca_file)] = ""
    private_downloads: Annotated[Words, AfterValidator(_private_downloads)] = ()

"""Translates the errors of the S3 library, without its texts, which may quote URLs and headers."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    SSLError,
)

from orderwatch.errors import DiskError

_CODE = re.compile(r"\w{1,64}", re.ASCII)
_EXPLAINED: Mapping[str, str] = {
    "AccessDenied": "the credentials lack a right; docs/s3.md lists them",
    "InvalidAccessKeyId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret access key is wrong",
    "ExpiredToken": "the credentials have expired",
    "RequestTimeTooSkewed": "this host's clock differs from the store's",
    "NoSuchBucket": "there is no such bucket",
    "SlowDown": "the store receives too many requests",
    "KeyTooLongError": "the path is too long for a key; shorten the layout",
    "BadDigest": "other bytes arrived than were sent",
    "InvalidObjectState": "the object is archived",
}
_BY_STATUS: Mapping[int, str] = {
    HTTPStatus.FORBIDDEN: "access is denied: check rights, credentials and this host's clock",
    HTTPStatus.NOT_FOUND: "not found",
    HTTPStatus.SERVICE_UNAVAILABLE: _EXPLAINED["SlowDown"],
}
_WITHOUT_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)


class S3Error(DiskError):
    """A request failed: with the `status` and `code` of the store's answer, or without an answer (None)."""

    def __init__(self, message: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def is_of_store(self) -> bool:
        """Whether the store as a whole failed, not this one object."""
        return self.status is None or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


@contextmanager
def translate_s3_errors(message: str) -> Iterator[None]:
    """Raise `S3Error` with this message in place of an error of the library."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(message, error) from error
    except (BotoCoreError, aiohttp.ClientError, TimeoutError) as error:  # aiohttp's: a body that is cut off
        raise S3Error(f"{message}: {_why(error)}") from error


def _of_answer(message: str, error: ClientError) -> S3Error:
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(error.response.get("Error", {}).get("Code", ""))
    code = code if _CODE.fullmatch(code) and not code.isdigit() else ""
    answer = " ".join(filter(None, (str(status), code)))
    reason = _EXPLAINED.get(code) or _BY_STATUS.get(status)
    return S3Error(
        f"{message}: {reason} ({answer})" if reason else f"{message}: {answer}", status=status, code=code
    )


def _why(error: Exception) -> str:
    match error:
        case SSLError():
            return "the certificate of the store is not trusted"
        case ProxyConnectionError():
            return "the proxy does not lead to the store"
        case HTTPClientError() | aiohttp.ClientError() | TimeoutError():
            return "the store does not respond"
        case _ if isinstance(error, _WITHOUT_CREDENTIALS):
            return "there are no credentials; set them in [s3]"
    return f"the request is not possible ({type(error).__name__})"

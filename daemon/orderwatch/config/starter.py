"""Writes the text of a first configuration."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

ACCOUNT = "main"
SECRET_FILE = "main-secret"  # noqa: S105 - a file name; the service's unit passes it as a credential
_HEAD = """#:schema ./config.schema.json
# Written by `orderwatch init`. Every key: config.example.toml, or `orderwatch schema`.
"""


@dataclass(frozen=True, kw_only=True)
class Starter:
    """What a first configuration says. `projects` are shell patterns; none means every order."""

    credentials: str
    client_id: str
    contract_id: str | None
    api: str
    endpoints: Mapping[str, str]
    projects: Sequence[str]
    root: str
    database_url: str | None

    def text(self, secret: str = f"credential:{SECRET_FILE}") -> str:
        """Return the file; with another `secret` it is for this process only."""
        return _HEAD + "".join(self._tables(secret))

    def _tables(self, secret: str) -> Iterator[str]:
        account = {
            "credentials": self.credentials,
            "client_id": self.client_id,
            "client_secret": secret,
            "contract_id": self.contract_id,
            "api": self.api if self.api != "v1" else None,
        }
        yield _table(f"[accounts.{ACCOUNT}]", account)
        if self.endpoints:
            yield _table(f"[accounts.{ACCOUNT}.endpoints]", self.endpoints)
        for project in self.projects:
            yield _table("[[watch]]", {"account": ACCOUNT, "project_name": project})
        if not self.projects:
            yield _table("[[watch]]", {"account": ACCOUNT, "task_name": "*"})
        yield _table("[delivery]", {"root": self.root})
        yield _table("[database]", {"url": self.database_url})


def _table(heading: str, values: Mapping[str, str | None]) -> str:
    lines = [f"{key} = {quoted(value)}\n" for key, value in values.items() if value is not None]
    return f"\n{heading}\n{''.join(lines)}" if lines else ""


def quoted(text: str) -> str:
    """Return a TOML string: a JSON string, but for the one control character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

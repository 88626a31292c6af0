"""An account of STAPI."""

from pathlib import Path

from tests.config.files import WATCH, environ, written

from orderwatch.config import load

ACCOUNT = """
[accounts.main]
credentials = "{credentials}"
client_secret = "canary"
api = "stapi"
{more}
[accounts.main.endpoints]
api = "https://stapi.example.com"
"""


def test_a_bearer_token_needs_no_client_and_no_token_endpoint(tmp_path: Path) -> None:
    path = written(tmp_path, ACCOUNT.format(credentials="bearer", more="") + WATCH)
    settings = load(path, environ(tmp_path))
    assert settings.accounts["main"].token_url == ""


def test_a_token_endpoint_is_used_with_a_client(tmp_path: Path) -> None:
    text = (
        ACCOUNT.format(credentials="oauth", more='client_id = "id-1"')
        + 'token = "https://login.example/token"'
    )
    settings = load(written(tmp_path, text + WATCH), environ(tmp_path))
    assert settings.accounts["main"].token_url == "https://login.example/token"


def test_any_attachment_can_be_chosen(tmp_path: Path) -> None:
    text = ACCOUNT.format(credentials="bearer", more="") + WATCH + '[delivery]\nattachments = ["Visual*"]'
    assert load(written(tmp_path, text), environ(tmp_path)).delivery.attachments == ("Visual*",)

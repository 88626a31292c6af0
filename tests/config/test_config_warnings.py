"""What a good configuration is told that may not be what was meant."""

from pathlib import Path

import pytest
from tests.config.files import ACCOUNT, WATCH, environ, written

from orderwatch.config import load, remarks


def remarked(tmp_path: Path, http: str) -> list[str]:
    path = written(tmp_path, f"{ACCOUNT}{WATCH}\n[http]\n{http}\n")
    return remarks(load(path, environ(tmp_path)))


@pytest.mark.parametrize("listen", ["0.0.0.0:8787", "[::]:8787", "10.0.0.1:80", "watch.example:80"])
def test_pages_that_others_can_read_are_remarked(tmp_path: Path, listen: str) -> None:
    assert remarked(tmp_path, f'listen = "{listen}"') == [
        (
            f"http.listen: anyone who can reach {listen} can read all orders; "
            "set [http] token, or listen on loopback"
        )
    ]


def test_files_that_others_can_download_are_remarked_too(tmp_path: Path) -> None:
    [remark] = remarked(tmp_path, 'listen = "0.0.0.0:80"\nfiles = true')
    assert "can read all orders and download every stored file; set [http] token" in remark


@pytest.mark.parametrize(
    "http",
    [
        "",
        'listen = ""',
        'listen = "localhost:80"',
        'listen = "127.0.0.2:80"',
        'listen = "[::1]:80"',
        'listen = "unix:/run/orderwatch/http.sock"',
        'listen = "0.0.0.0:80"\ntoken = "canary-token"',
    ],
)
def test_pages_of_this_host_or_behind_a_token_are_not(tmp_path: Path, http: str) -> None:
    assert remarked(tmp_path, http) == []

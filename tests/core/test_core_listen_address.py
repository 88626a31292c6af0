"""What an address of the web server may be."""

import pytest

from orderwatch.core.listen_address import host_and_port, listen_problem, socket_of

LONGEST = "unix:/" + "é" * 53  # 107 bytes


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("127.0.0.1:8787", "127.0.0.1", 8787), ("[::1]:0", "::1", 0), ("::1:80", "::1", 80)],
)
def test_a_port_is_one_of_a_host(listen: str, host: str, port: int) -> None:
    assert listen_problem(listen) is None
    assert socket_of(listen) is None
    assert host_and_port(listen) == (host, port)


@pytest.mark.parametrize("listen", ["unix:/run/orderwatch/http.sock", "unix:/with:80", LONGEST])
def test_a_socket_file_has_a_path(listen: str) -> None:
    assert listen_problem(listen) is None
    assert socket_of(listen) == listen[5:]


@pytest.mark.parametrize(
    "listen", ["unix:", "unix:80", "unix:http.sock", "unix:/a\0b", "unix:/a\nb", "unix:/\udcff"]
)
def test_a_socket_file_without_a_printable_absolute_path_is_none(listen: str) -> None:
    assert listen_problem(listen) == 'must be "host:port", "unix:/absolute/path", or "" for off'


def test_the_system_takes_no_longer_path_for_a_socket() -> None:
    assert listen_problem(LONGEST + "x") == (
        "has a socket path of 108 bytes, more than 107; choose a shorter one"
    )

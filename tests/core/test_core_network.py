"""Which way a host is reached."""

from ipaddress import ip_address

import pytest

from orderwatch.core.network import (
    DIRECT,
    Network,
    Proxy,
    certificates_in,
    is_loopback,
    parse_download_network,
    parse_no_proxy,
    parse_proxy,
)

PROXY = Proxy(host="proxy.example", port=3128, user="me", password="canary")


def reached_direct(host: str, *no_proxy: str, port: int = 443) -> bool:
    network = Network(proxy=PROXY, no_proxy=tuple(map(parse_no_proxy, no_proxy)))
    return network.proxy_for(host, port) is None


@pytest.mark.parametrize(
    ("text", "address", "user", "password"),
    [
        ("http://proxy.example:3128", "proxy.example:3128", None, ""),
        ("http://Proxy.Example:3128/", "proxy.example:3128", None, ""),
        ("http://me:secret@10.0.0.1:8080", "10.0.0.1:8080", "me", "secret"),
        ("http://me@[fd00::1]:8080", "[fd00::1]:8080", "me", ""),
        ("http://me%40corp:p%40ss%3A%2F%25@proxy:1", "proxy:1", "me@corp", "p@ss:/%"),
        ("http://me:a:b@proxy:1", "proxy:1", "me", "a:b"),
        ("http://me:pässwort@proxy:1", "proxy:1", "me", "pässwort"),
    ],
)
def test_a_proxy_has_address_and_credentials_apart(
    text: str, address: str, user: str | None, password: str
) -> None:
    proxy = parse_proxy(text)
    assert (str(proxy), proxy.url) == (address, f"http://{address}")
    assert (proxy.user, proxy.password) == (user, password)


@pytest.mark.parametrize(
    "text",
    [
        "proxy:3128",
        "proxy",
        "http://proxy",
        "http://:3128",
        "http://proxy:0",
        "http://proxy:99999",
        "http://proxy:port",
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://proxy:3128/canary",
        "http://proxy:3128/?canary",
        "http://me:canary#@proxy:3128",
        "http://me:canary/@proxy:3128",
        "http://:canary@proxy:3128",
        "http://me%3Ax:canary@proxy:3128",
        "http://me:canary%0d%0a@proxy:3128",
        "http://me:canary@pro xy:3128",
        "http://me:canary@proxy\n:3128",
        "http://[canary:3128",
    ],
)
def test_a_url_that_is_no_proxy_is_an_error_that_does_not_quote_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        parse_proxy(text)
    assert "canary" not in str(caught.value)


def test_no_text_of_a_proxy_contains_its_password() -> None:
    network = Network(proxy=PROXY)
    for text in (str(PROXY), repr(PROXY), PROXY.url, str(network), repr(network)):
        assert "canary" not in text


def test_the_credentials_are_sent_as_basic_authentication() -> None:
    assert PROXY.authorization == "Basic bWU6Y2FuYXJ5"
    assert Proxy(host="proxy", port=1, user="me").authorization == "Basic bWU6"
    assert Proxy(host="proxy", port=1).authorization is None


@pytest.mark.parametrize(
    ("host", "entry", "direct"),
    [
        ("example.com", "example.com", True),
        ("API.Example.COM.", "example.com", True),
        ("api.example.com", ".example.com", True),
        ("example.com", ".example.com", True),
        ("api.example.com", "*.example.com", True),
        ("example.com", "Example.Com.", True),
        ("badexample.com", "example.com", False),
        ("example.com.evil", "example.com", False),
        ("com", "example.com", False),
        ("anything", "*", True),
        ("example.com", "example.com:443", True),
        ("api.example.com", ".example.com:443", True),
        ("example.com", "example.com:8443", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("10.1.2.3", "10.1.2.3:8443", False),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("fd00::7", "fd00::/8", True),
        ("[fd00::7]", "fd00::7", True),
        ("fd00::7", "[fd00::7]:443", True),
        ("fd00::7", "[fd00::7]:80", False),
        ("10.example", "10.0.0.0/8", False),
        ("93.184.216.34", "216.34", False),
    ],
)
def test_no_proxy_matches_hosts_suffixes_ports_and_networks(host: str, entry: str, *, direct: bool) -> None:
    assert reached_direct(host, entry) is direct


@pytest.mark.parametrize(
    "entry",
    [
        "https://example.com",
        "example.com/",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "a b",
        ".",
        "*.",
        "a:0",
        "a:99999",
        "a:b",
    ],
)
def test_an_entry_that_could_match_nothing_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match="must be a host"):
        parse_no_proxy(entry)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1"])
def test_loopback_goes_through_a_proxy_on_this_machine_only(host: str) -> None:
    assert is_loopback(host)
    assert reached_direct(host)
    local = Proxy(host="127.0.0.1", port=3128)
    assert Network(proxy=local).proxy_for(host, 80) is local
    assert Network(proxy=local, no_proxy=(parse_no_proxy("*"),)).proxy_for(host, 80) is None


def test_without_a_proxy_every_host_is_reached_direct() -> None:
    assert DIRECT.proxy_for("example.com", 443) is None
    assert Network(proxy=PROXY).proxy_for("example.com", 443) is PROXY


def test_the_proxy_is_recognised_by_host_and_port() -> None:
    network = Network(proxy=PROXY)
    assert network.is_proxy("Proxy.Example.", 3128)
    assert not network.is_proxy("proxy.example", 443)
    assert not network.is_proxy("other.example", 3128)
    assert not DIRECT.is_proxy("", None)


def test_private_downloads_are_the_networks_that_are_named() -> None:
    network = Network(private_downloads=(parse_download_network("10.20.0.0/16"),))
    assert network.allows_download(ip_address("10.20.1.1"))
    assert not network.allows_download(ip_address("10.21.1.1"))
    assert not network.allows_download(ip_address("fd00::1"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.0.0.1/8", "must be a network"),
        ("files.example", "must be a network"),
        ("169.254.169.254", "loopback, link-local"),
        ("169.0.0.0/8", "loopback, link-local"),
        ("127.0.0.1", "loopback, link-local"),
        ("0.0.0.0/0", "loopback, link-local"),
        ("::/0", "loopback, link-local"),
        ("fe80::/64", "loopback, link-local"),
        ("::ffff:10.0.0.0/104", "loopback, link-local"),
    ],
)
def test_private_downloads_never_include_this_machine_or_its_metadata_service(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_download_network(text)


def test_certificates_are_found_between_comments_of_any_encoding() -> None:
    one = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"
    key = b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----"
    assert certificates_in(b"# Beh\xf6rde\n" + one + b"\r\n\xff" + key + b"\n" + one) == (one + b"\n") * 2
    assert certificates_in(key) == b""

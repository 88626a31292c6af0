"""`[network]`: what is accepted, and what is reported without a secret."""

from pathlib import Path

import pytest
from tests.certificates import Authority
from tests.config.files import CANARY, GOOD, environ, problems, written

from orderwatch.app.plan import resolve
from orderwatch.config import load
from orderwatch.core.network import Network
from orderwatch.errors import ConfigError


def network(folder: Path, table: str, mode: int = 0o600) -> Network:
    settings = load(written(folder, f"{GOOD}\n[network]\n{table}", mode), environ(folder))
    return resolve(settings).network


@pytest.mark.parametrize(
    "url",
    [f"http://me:{CANARY}@proxy", f"https://me:{CANARY}@proxy:1", f"{CANARY}", f"http://me:{CANARY}#@p:1"],
)
def test_a_proxy_that_is_none_is_reported_without_its_password(tmp_path: Path, url: str) -> None:
    (problem,) = problems(written(tmp_path, f'{GOOD}\n[network]\nproxy = "{url}"'), environ(tmp_path))
    assert problem.startswith("network.proxy: must be http://HOST:PORT")
    assert CANARY not in problem


@pytest.mark.parametrize("kind", ["literal", "file", "env", "credential", "environment"])
def test_the_proxy_may_be_any_kind_of_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    url = f"http://me:{CANARY}@proxy.example:3128"
    monkeypatch.setenv("COMPANY_PROXY", url)
    (tmp_path / "proxy").write_text(f"{url}\n", encoding="utf-8")
    values = {
        "literal": url,
        "file": f"file:{tmp_path}/proxy",
        "env": "env:COMPANY_PROXY",
        "credential": "credential:proxy",
    }
    value, more = values.get(kind, ""), {"ORDERWATCH_NETWORK__PROXY": url} if kind == "environment" else {}
    path = written(tmp_path, f'{GOOD}\n[network]\nproxy = "{value}"')
    proxy = resolve(load(path, environ(tmp_path, **more))).network.proxy
    assert proxy is not None
    assert (str(proxy), proxy.user, proxy.password) == ("proxy.example:3128", "me", CANARY)


def test_commands_that_only_read_need_no_proxy_and_no_ca_file(tmp_path: Path) -> None:
    table = '[network]\nproxy = "file:/nowhere/proxy"\nca_file = "/nowhere/ca.pem"'
    load(written(tmp_path, f"{GOOD}\n{table}"), environ(tmp_path), resolve=False)


def test_only_a_proxy_with_credentials_is_a_secret(tmp_path: Path) -> None:
    path = written(tmp_path, f'{GOOD}\n[network]\nproxy = "http://me:{CANARY}@proxy:1"', 0o644)
    found = problems(path, environ(tmp_path))
    assert [problem.partition(":")[0] for problem in found] == [
        "accounts.main.client_secret",
        "network.proxy",
    ]
    path = written(tmp_path, f'{GOOD}\n[network]\nproxy = "http://proxy:1"', 0o644)
    found = problems(path, environ(tmp_path))
    assert [problem.partition(":")[0] for problem in found] == ["accounts.main.client_secret"]


def test_the_fail_url_of_the_heartbeat_is_a_secret_too(tmp_path: Path) -> None:
    path = written(tmp_path, f'{GOOD}\n[heartbeat]\nfail_url = "https://ping/{CANARY}"', 0o644)
    found = problems(path, environ(tmp_path))
    assert [problem.partition(":")[0] for problem in found] == [
        "accounts.main.client_secret",
        "heartbeat.fail_url",
    ]


def test_networks_and_exceptions_are_lists_or_one_text(tmp_path: Path) -> None:
    found = network(tmp_path, 'no_proxy = ["corp.example", "10.0.0.0/8"]\nprivate_downloads = "10.0.0.0/8"')
    assert [each.matches("files.corp.example", 443) for each in found.no_proxy] == [True, False]
    assert [str(each) for each in found.private_downloads] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('no_proxy = ["https://a"]', "network.no_proxy: 'https://a' must be a host, a suffix, HOST:PORT, "),
        ('private_downloads = ["10.0.0.1/8"]', "network.private_downloads: '10.0.0.1/8' must be a network "),
        ('private_downloads = ["0.0.0.0/0"]', "network.private_downloads: '0.0.0.0/0' must not contain "),
        ('ca_file = "ca.pem"', "network.ca_file: must be an absolute path"),
        ('ca_file = "/nowhere/ca.pem"', "network.ca_file: /nowhere/ca.pem cannot be read: No such file"),
        ('ca_file = "/"', "network.ca_file: / cannot be read: Is a directory"),
    ],
)
def test_a_mistake_is_reported_with_its_value(tmp_path: Path, line: str, problem: str) -> None:
    (found,) = problems(written(tmp_path, f"{GOOD}\n[network]\n{line}"), environ(tmp_path))
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "contains no certificate in PEM format"),
        (
            "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----",
            "contains no certificate in PEM format",
        ),
        ("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----", "contains an invalid certificate"),
        ("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", "contains an invalid certificate"),
    ],
)
def test_a_file_without_certificates_is_reported_by_path(tmp_path: Path, content: str, why: str) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(content, encoding="utf-8")
    (found,) = problems(written(tmp_path, f'{GOOD}\n[network]\nca_file = "{ca_file}"'), environ(tmp_path))
    assert found == f"network.ca_file: {ca_file} {why}"


def test_a_ca_file_that_vanishes_before_it_is_used_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    path = written(tmp_path, f'{GOOD}\n[network]\nca_file = "{authority.file}"')
    plan = resolve(load(path, environ(tmp_path)))
    authority.file.unlink()
    with pytest.raises(ConfigError, match=r"network\.ca_file: .*ca\.pem cannot be read"):
        _ = plan.network

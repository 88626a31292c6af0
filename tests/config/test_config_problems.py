"""Every bad configuration answers with all its problems at once, in words, and never with a traceback."""

import errno
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.config.files import ACCOUNT, CANARY, GOOD, WATCH, environ, problems, toml, written

from orderwatch.config import Settings, Watch, load, types
from orderwatch.errors import ConfigError

LEGACY = ACCOUNT.replace('contract_id = "cont.1"', 'credentials = "legacy"')

WATCHING = f"{ACCOUNT}\n[[watch]]\naccount = 'main'"
NIGHT = "{from = '22:00', to = '06:00', limit = '1 MB'}"
MORNING = "{from = 05:59:00, to = '24:00', limit = '2 MB'}"
HOOK = f"{GOOD}\n[[notify]]\nkind = 'webhook'\nurl = 'https://hooks.example/{CANARY}'"
MAIL = f"{GOOD}\n[[notify]]\nkind = 'email'\nhost = 'h.example'\nsender = 'a@b.example'\nto = 'c@d.example'"
HTTPS = "notify[0].url: must be https; http is allowed only on loopback"
NO_URL = "notify[0].url: must be a URL such as https://api.example.com"
NO_EVENT = (
    "notify[0].events: 'capture.move' matches no event; known events: order.changed, capture.changed, "
    "delivery.stored, delivery.parked, delivery.given_up, order.done, problem.began, problem.ended"
)
NO_ADDRESS = 'http.listen: must be "host:port", "unix:/absolute/path", or "" for off'
A_MOMENT = "must be a date or time such as 2026-11-22 or 2026-11-22T08:00:00Z"


STAPI = f"""
[accounts.main]
credentials = "bearer"
client_secret = "{CANARY}"
api = "stapi"
"""


def account(line: str) -> str:
    """The good configuration with one line of its account written otherwise."""
    key = line.split(" ", maxsplit=1)[0]
    kept = [row for row in ACCOUNT.splitlines() if not row.startswith(key)]
    return "\n".join([*kept, line]) + WATCH


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "accounts: missing"),
        ("accounts = 5", "accounts: must be a table"),
        ("[accounts]", "accounts: must have at least one entry"),
        ("[accounts]\nmain = 5", "accounts.main: must be a table"),
        ("[accounts.main]", "accounts.main.client_id: missing"),
        ("[accounts.main]", "accounts.main.client_secret: missing"),
        ("[accounts.main]", "accounts.main.contract_id: missing; required for platform credentials"),
        (
            account('delivery_api = "deliverables"'),
            'accounts.main.delivery_api: "deliverables" requires api = "v2"',
        ),
        (
            account('delivery_api = ["telluric", "deliverables"]'),
            'accounts.main.delivery_api: "deliverables" requires api = "v2"',
        ),
        (account('credentials = "bearer"'), 'accounts.main.credentials: "bearer" requires api = "stapi"'),
        (
            account('credentials = "oauth"'),
            "accounts.main.contract_id: oauth credentials have no contract; remove it",
        ),
        (
            account('api = "stapi"'),
            'accounts.main.credentials: must be "oauth" or "bearer" for api = "stapi"',
        ),
        (account('api = "stapi"'), 'accounts.main.endpoints.api: missing; required for api = "stapi"'),
        (
            f"{STAPI}\ndelivery_api = 'stac'{WATCH}",
            'accounts.main.delivery_api: api = "stapi" delivers by the links of an order; remove it',
        ),
        (
            STAPI.replace("bearer", "oauth") + WATCH,
            "accounts.main.endpoints.token: missing; required for oauth credentials",
        ),
        (STAPI.replace("bearer", "oauth") + WATCH, "accounts.main.client_id: missing"),
        (
            f"{STAPI}{WATCH}\n[[order]]\naccount = 'main'",
            'order[0].account: api = "stapi" places no orders; remove the table',
        ),
        (f"{GOOD}\ncolour = 1", "watch[0].colour: unknown key"),
        (f"{GOOD}\n[log]\nparallel = 5", "log.parallel: unknown key; did you mean parallel of [delivery]?"),
        (f"{GOOD}\n[delivry]\nparallel = 5", "delivry: unknown key; did you mean delivery?"),
        (account("contract = 'c'"), "accounts.main.contract: unknown key; did you mean contract_id?"),
        (f"colour = 1\n{GOOD}", "colour: unknown key"),
        (f"{GOOD}\n[polling]\nintervall = '5m'", "polling.intervall: unknown key; did you mean interval?"),
        (f"{GOOD}\n[polling]\nslowest = '5m'", "polling.slowest: unknown key; it is now max_interval"),
        (f"{GOOD}\n[delivery]\nstall = '5s'", "delivery.stall: unknown key; it is now stall_timeout"),
        (f"{GOOD}\n[delivery]\nfloor = '4 kB'", "delivery.floor: unknown key; it is now min_speed"),
        (f"{GOOD}\n[delivery]\nretry_first = '5s'", "delivery.retry_first: unknown key; it is now retry_min"),
        (
            f"{GOOD}\n[delivery]\nretry_slowest = '5s'",
            "delivery.retry_slowest: unknown key; it is now retry_max",
        ),
        (f"{GOOD}\n[ordering]\nin_all = 5", "ordering.in_all: unknown key; it is now max_total"),
        (f"{GOOD}\n[ordering]\nper_day = 5", "ordering.per_day: unknown key; it is now max_per_day"),
        (
            f"{GOOD}\n[ordering]\nabsent_after = '5s'",
            "ordering.absent_after: unknown key; it is now confirm_lost_after",
        ),
        (f"{GOOD}\n[polling]\ninterval = 5", "polling.interval: expected a duration"),
        (f"{GOOD}\n[polling]\ninterval = '5 minutes'", "polling.interval: expected a duration"),
        (f"{GOOD}\n[polling]\ninterval = '0s'", "polling.interval: must be longer than 0"),
        (f"{GOOD}\n[polling]\ngrace = '99999999999999d'", "polling.grace: must be at most ten years"),
        (
            f"{GOOD}\n[polling]\nrequests_per_second = 0",
            "polling.requests_per_second: must be greater",
        ),
        (f"{GOOD}\n[polling]\nrequests_per_second = nan", "polling.requests_per_second: must be "),
        (f"{GOOD}\n[polling]\nrequests_per_second = '5'", "polling.requests_per_second: must be a number"),
        (f"{GOOD}\n[delivery]\nkeep_free = 5", "delivery.keep_free: expected a size"),
        (f"{GOOD}\n[delivery]\nbandwidth = '5 parsecs'", "delivery.bandwidth: expected a size"),
        (
            f"{GOOD}\n[delivery]\nbandwidth = [{{from = '8', to = '9:00', limit = '0'}}]",
            "delivery.bandwidth: expected a time of day",
        ),
        (
            f"{GOOD}\n[delivery]\nbandwidth = [{{from = '8:00', to = '9:00', limit = 5}}]",
            "delivery.bandwidth: expected a size",
        ),
        (
            f"{GOOD}\n[delivery]\nbandwidth = [{{from = '8:00', limit = '5 MB'}}]",
            "delivery.bandwidth: each span must be a table",
        ),
        (f"{GOOD}\n[delivery]\nbandwidth = ['8:00']", "delivery.bandwidth: each span must be a table"),
        (
            f"{GOOD}\n[delivery]\nbandwidth = [{NIGHT}, {MORNING}]",
            "delivery.bandwidth: 22:00 to 06:00 and 05:59 to 00:00 overlap",
        ),
        (f"{GOOD}\n[delivery]\nparallel = '4'", "delivery.parallel: must be a whole number"),
        (f"{GOOD}\n[delivery]\nparallel = true", "delivery.parallel: must be a whole number"),
        (
            f"{GOOD}\n[delivery]\nparallel = 0",
            "delivery.parallel: must be at least 1",
        ),
        (f"{GOOD}\n[delivery]\nmax_attempts = 0", "delivery.max_attempts: must be at least"),
        (f"{GOOD}\n[delivery]\nextract = 'yes'", "delivery.extract: must be true or false"),
        (f"{GOOD}\n[delivery]\nattachments = []", "delivery.attachments: must name at least one attachment"),
        (
            f"{GOOD}\n[delivery]\nattachments = ['zip']",
            'delivery.attachments[0]: must be one of: "delivery_zip"',
        ),
        (f"{GOOD}\n[delivery]\nattachments = 'preview'", "delivery.attachments: must be a list"),
        (
            f"{GOOD}\n[delivery]\nlayout = '{{colour}}/{{file_name}}'",
            "delivery.layout: unknown placeholder {colour}",
        ),
        (f"{GOOD}\n[delivery]\nlayout = '/{{file_name}}'", "delivery.layout: must be a relative path"),
        (f"{GOOD}\n[delivery]\nlayout = 'a/b.zip'", "delivery.layout: the last part must have a placeholder"),
        (f"{GOOD}\n[database]\nmigrate = 'never'", 'database.migrate: must be one of: "auto", "manual"'),
        (
            f"{GOOD}\n[log]\nlevel = 'loud'",
            'log.level: must be one of: "debug", "info", "warning", "error"',
        ),
        (f"{GOOD}\n[http]\nlisten = '8787'", NO_ADDRESS),
        (f"{GOOD}\n[http]\nlisten = 'unix:http.sock'", NO_ADDRESS),
        (
            f"{GOOD}\n[http]\nlisten = 'unix:/{'x' * 107}'",
            "http.listen: has a socket path of 108 bytes, more than 107; choose a shorter one",
        ),
        (f"{GOOD}\n[http]\nlisten = 'localhost:99999'", NO_ADDRESS),
        (f'{GOOD}\n[http]\nlisten = "\\u0000:80"', NO_ADDRESS),
        (
            f"{GOOD}\n[[notify]]\nkind = 'pigeon'\nurl = '{CANARY}'",
            "notify[0].kind: must be one of: webhook, command, email, apprise",
        ),
        (f"{GOOD}\n[[notify]]\nurl = '{CANARY}'", "notify[0].kind: missing"),
        (f"notify = [5]\n{GOOD}", "notify[0]: must be a table"),
        (f"{GOOD}\n[[notify]]\nkind = 'webhook'\nurl = 'http://h.example/{CANARY}'", HTTPS),
        (f"{GOOD}\n[[notify]]\nkind = 'webhook'\nurl = '{CANARY}'", NO_URL),
        (f"{HOOK}\nevents = ['capture.move']", NO_EVENT),
        (f"{HOOK}\nurll = 5", "notify[0].urll: unknown key; did you mean url?"),
        (
            f"{HOOK}\n[[notify]]\nkind = 'command'\ncommand = ['/bin/true']\nname = 'webhook'",
            "notify[1].name: 'webhook' is also used by notify[0]; choose another name",
        ),
        (
            f"{GOOD}\n[[notify]]\nkind = 'command'\ncommand = ['tell', '{CANARY}']",
            "notify[0].command: must start with the absolute path of a program",
        ),
        (
            f"{MAIL}\ntls = 'none'",
            'notify[0]: tls = "none" is allowed only for a mail server on this host',
        ),
        (f"{MAIL}\npassword = '{CANARY}'", "notify[0]: set both user and password, or neither"),
        (
            f"{GOOD}\n[[notify]]\nkind = 'apprise'\nurl = '{CANARY}'",
            "notify[0].kind: is not installed; run: pip install 'orderwatch[apprise]'",
        ),
        (f"{GOOD}\n[heartbeat]\nurl = 'http://h.example/{CANARY}'", HTTPS.replace("notify[0]", "heartbeat")),
        (
            f"{GOOD}\n[heartbeat]\nurl = 'https://h.example/{CANARY}'\nfail_url = 'https://h.example/{CANARY}'",
            "heartbeat: fail_url must differ from url",
        ),
        (f"{ACCOUNT}\nwatch = 5", "accounts.main.watch: unknown key"),
        (f"watch = 5\n{ACCOUNT}", "watch: must be a list"),
        (f"delivery = 5\n{GOOD}", "delivery: must be a table"),
        (f"{ACCOUNT}\n[watch]\naccount = 'main'", "watch: must be a list"),
        (f"{ACCOUNT}\n[[watch]]\ntask_ids = [1]", "watch[0].account: missing"),
        (
            f"{ACCOUNT}\n[[watch]]\naccount = 'mian'\ntask_ids = [1]",
            "watch[0].account: unknown account 'mian'; configured: main",
        ),
        (f"{ACCOUNT}\n[[watch]]\naccount = 'main'", "watch[0]: selects no orders"),
        (f"{WATCHING}\ntask_ids = []", "watch[0]: selects no orders"),
        (f"{WATCHING}\nstatus = []", "watch[0]: selects no orders"),
        (f"{WATCHING}\n[watch.delivery]\nextract = true", "watch[0]: selects no orders"),
        (f"{GOOD}\nplaced_after = 5", f"watch[0].placed_after: {A_MOMENT}"),
        (f"{GOOD}\nplaced_after = true", f"watch[0].placed_after: {A_MOMENT}"),
        (f"{GOOD}\nplaced_after = 07:32:00", f"watch[0].placed_after: {A_MOMENT}"),
        (f"{GOOD}\nplaced_after = [2026-11-22]", f"watch[0].placed_after: {A_MOMENT}"),
        (f"{GOOD}\nplaced_after = 'yesterday'", f"watch[0].placed_after: {A_MOMENT}"),
        (f"{GOOD}\nplaced_after = '22.11.2026'", f"watch[0].placed_after: {A_MOMENT}"),
        (f"{GOOD}\nplaced_after = ''", f"watch[0].placed_after: {A_MOMENT}"),
        (f"{GOOD}\nplaced_after = 0001-01-01T00:00:00+14:00", f"watch[0].placed_after: {A_MOMENT}"),
        (f"{GOOD}\nplaced_after = '9999-12-31T23:59:59-14:00'", f"watch[0].placed_after: {A_MOMENT}"),
        (f"{GOOD}\nstatus = 5", "watch[0].status: must be a list"),
        (f"{GOOD}\nstatus = [5]", "watch[0].status[0]: must be text"),
        (f"{GOOD}\nstatus = ''", "watch[0].status[0]: must not be empty"),
        (f"{GOOD}\nstatus = ['received', '']", "watch[0].status[1]: must not be empty"),
        (f"{GOOD}\ndelivery = 5", "watch[0].delivery: must be a table"),
        (f"{GOOD}\n[watch.delivery]\nparallel = 2", "watch[0].delivery.parallel: unknown key"),
        (f"{GOOD}\n[watch.delivery]\nroot = 'own'", "watch[0].delivery.root: must be an absolute path"),
        (
            f"{GOOD}\n[watch.delivery]\nlayout = '{{colour}}/{{file_name}}'",
            "watch[0].delivery.layout: unknown placeholder {colour}",
        ),
        (
            f"{GOOD}\n[watch.delivery]\nattachments = []",
            "watch[0].delivery.attachments: must name at least one attachment",
        ),
        (
            f"{GOOD}\n[watch.delivery]\nattachments = ['zip']",
            'watch[0].delivery.attachments[0]: must be one of: "delivery_zip"',
        ),
        (
            f"{GOOD}\n[watch.delivery]\nextract = 'yes'",
            "watch[0].delivery.extract: must be true or false",
        ),
        (f"{GOOD}\nproject_name = ''", "watch[0].project_name: must not be empty"),
        (
            f"{ACCOUNT}\n[[watch]]\naccount = 'main'\ntask_ids = ['1']",
            "watch[0].task_ids[0]: must be a whole number",
        ),
        (
            f"{ACCOUNT}\n[[watch]]\naccount = 'main'\ntask_ids = [-1]",
            "watch[0].task_ids[0]: must be at least 0",
        ),
        (
            account('credentials = "carrier"'),
            'accounts.main.credentials: must be one of: "platform", "legacy"',
        ),
        (account('contract_id = ""'), "accounts.main.contract_id: must not be empty"),
        (
            account('credentials = "legacy"'),
            "accounts.main.contract_id: legacy credentials have no contract; remove it",
        ),
        (account('client_secret = ""'), "accounts.main.client_secret: is empty"),
        (account("client_secret = 5"), "accounts.main.client_secret: must be text"),
        (
            account('client_secret = "file:/nowhere/secret"'),
            "accounts.main.client_secret: file:/nowhere/secret cannot",
        ),
        (
            account('client_secret = "file:/"'),
            "accounts.main.client_secret: file:/ cannot be read: Is a directory",
        ),
        (account('client_secret = "file:\\u0000"'), "accounts.main.client_secret: "),
        (
            account('client_secret = "env:NOT_SET_ANYWHERE"'),
            "accounts.main.client_secret: env:NOT_SET_ANYWHERE is not",
        ),
        (account('client_secret = "env:"'), "accounts.main.client_secret: env: is not set"),
        (
            account('client_secret = "credential:main"'),
            "accounts.main.client_secret: credential:main: /",
        ),
    ],
)
def test_each_problem_is_named_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: str
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)  # as if it were not installed, wherever we run
    path = written(tmp_path, content)
    found = problems(path, {})
    assert any(problem.startswith(expected) for problem in found), found


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (account('client_id = " <client id> "'), "accounts.main.client_id"),
        (account('client_secret = "<secret>"'), "accounts.main.client_secret"),
        (f"{ACCOUNT}endpoints = {{api = '<url>'}}{WATCH}", "accounts.main.endpoints.api"),
        (f"{ACCOUNT}endpoints = {{api = 'https://<host>/v1'}}{WATCH}", "accounts.main.endpoints.api"),
        (f"{HOOK}/<token>".replace("'/", "/") + "'", "notify[0].url"),
        (MAIL.replace("h.example", "<mail server>"), "notify[0].host"),
        (MAIL.replace("'c@d.example'", "['c@d.example', '<you>']"), "notify[0].to[1]"),
        (f"{GOOD}[heartbeat]\nurl = '<url>'", "heartbeat.url"),
        (f"{GOOD}[delivery]\nroot = '<folder>'", "delivery.root"),
        (f"{GOOD}[database]\nurl = 'sqlite:///<folder>/orderwatch.db'", "database.url"),
    ],
)
def test_what_stands_in_angle_brackets_is_still_to_be_filled_in(
    tmp_path: Path, content: str, place: str
) -> None:
    found = problems(written(tmp_path, content), {})
    told = "is not filled in; replace the text in angle brackets with your value"
    assert f"{place}: {told}" in found


def test_a_variable_may_be_unfilled_too_and_may_fill_what_the_file_leaves_open(tmp_path: Path) -> None:
    name = "ORDERWATCH_ACCOUNTS__MAIN__CLIENT_ID"
    (problem,) = problems(written(tmp_path, GOOD), environ(tmp_path, **{name: "<client id>"}))
    assert problem.startswith("accounts.main.client_id: is not filled in")
    path = written(tmp_path, account('client_id = "<client id>"'))
    found = load(path, environ(tmp_path, **{name: "id-2"})).accounts["main"].client_id
    assert found.get_secret_value() == "id-2"


def test_what_is_no_address_is_a_problem_of_the_configuration(tmp_path: Path) -> None:
    text = MAIL.replace("a@b.example", " <").replace("'c@d.example'", "['c@d.example', 'c@d, e@f']")
    told = 'must be one address, such as "you@example.com" or "You <you@example.com>"'
    found = problems(written(tmp_path, text), environ(tmp_path))
    assert found == [f"notify[0].sender: {told}", f"notify[0].to[1]: {told}"]


def test_names_and_addresses_may_have_angle_brackets(tmp_path: Path) -> None:
    text = MAIL.replace("c@d.example", "<c@d.example>").replace("task_ids = [1]", "project_name = '<North>'")
    settings = load(written(tmp_path, text), environ(tmp_path))
    assert settings.watch[0].project_name == "<North>"


@pytest.mark.parametrize(
    "url",
    [
        "http://api.satellogic.com",
        "http://192.168.0.7:8080",
        "http://127.0.0.1.example.com",
        "http://0.0.0.0",
        "ftp://api.satellogic.com",
        "api.satellogic.com",
        "https://",
        "https://host:99999",
        "https://host:port",
        "https://[::1",
        f"https://user:{CANARY}@host",
        f"https://user:{CANARY}/@host",
        f"https://user:{CANARY}\u2100@host",
        f"https://host/?token={CANARY}",
        f"https://host/#{CANARY}",
        "",
    ],
)
def test_an_endpoint_is_a_bare_https_url_and_never_quoted(tmp_path: Path, url: str) -> None:
    content = f'{ACCOUNT}\n[accounts.main.endpoints]\ntoken = "{url}"\n{WATCH}'
    (problem,) = problems(written(tmp_path, content), environ(tmp_path))
    assert problem.startswith("accounts.main.endpoints.token: must be ")
    assert CANARY not in problem


@pytest.mark.parametrize(
    "url",
    ["https://proxy.example.com/api", "http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:1/x/"],
)
def test_plain_http_is_fine_on_loopback(tmp_path: Path, url: str) -> None:
    content = f'{ACCOUNT}\n[accounts.main.endpoints]\napi = "{url}"\n{WATCH}'
    settings = load(written(tmp_path, content), environ(tmp_path))
    assert settings.accounts["main"].endpoints.api == url.rstrip("/")


def test_many_problems_of_one_file_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    content = f"""
        colour = "red"
        [accounts.main]
        client_id = "id-1"
        client_secret = "file:/nowhere/secret"
        [accounts.old]
        credentials = "legacy"
        client_id = "id-2"
        client_secret = "{CANARY}"
        contract_id = "cont.2"
        [accounts.old.endpoints]
        api = "http://api.satellogic.com"
        [[watch]]
        account = "new"
        task_ids = ["one"]
        [[watch]]
        account = "main"
        [polling]
        interval = "soon"
        requests_per_second = "many"
        [delivery]
        root = "{tmp_path}/file/deliveries"
        layout = "{{colour}}/x"
        keep_free = "some"
        [database]
        url = "mysql://host/db"
        [log]
        level = "loud"
        [http]
        listen = "nowhere"
        [[notify]]
        kind = "pigeon"
        [[notify]]
        kind = "webhook"
        url = "credential:hook"
        [heartbeat]
        url = "credential:heart"
    """
    path = written(tmp_path, content, 0o644)
    found = problems(path, {"ORDERWATCH_SPEED": "fast", "ORDERWATCH_WATCH__9__ACCOUNT": "main"})
    places = sorted(problem.split(": ")[0] for problem in found)
    assert places == [
        "accounts.main.client_secret",
        "accounts.main.contract_id",
        "accounts.old.client_secret",
        "accounts.old.contract_id",
        "accounts.old.endpoints.api",
        "colour",
        "database.url",
        "delivery.keep_free",
        "delivery.layout",
        "delivery.root",
        "environment ORDERWATCH_SPEED",
        "environment ORDERWATCH_WATCH__9__ACCOUNT",
        "heartbeat.url",
        "http.listen",
        "log.level",
        "notify[0].kind",
        "notify[1].url",
        "polling.interval",
        "polling.requests_per_second",
        "watch[0].account",
        "watch[0].task_ids[0]",
        "watch[1]",
    ]
    assert CANARY not in "\n".join(found)


class TestTheFile:
    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        assert problems(tmp_path / "none.toml", {}) == ["cannot be read: No such file or directory"]

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        assert problems(tmp_path, {}) == ["cannot be read: Is a directory"]

    def test_other_text_than_utf_8_is_refused(self, tmp_path: Path) -> None:
        path = written(tmp_path, '[accounts."K\u00f6ln"]'.encode("latin-1"))
        assert problems(path, {}) == ["is not UTF-8 text"]

    @pytest.mark.parametrize(
        "content",
        ["{", "a = ", "a = 1\na = 2", f"a = {'9' * 5000}", f"a = {'[' * 5000}", "a = 2024-13-45", "\0"],
        ids=["brace", "no-value", "twice", "digits", "depth", "date", "nul"],
    )
    def test_what_is_not_toml_is_told_with_its_place(self, tmp_path: Path, content: str) -> None:
        (problem,) = problems(written(tmp_path, content), {})
        assert problem.startswith("is not TOML: ")

    def test_a_slip_beside_a_secret_does_not_tell_the_secret(self, tmp_path: Path) -> None:
        for slip in (f"client_secret = {CANARY}", f'client_secret = "{CANARY}', f'client_secret "{CANARY}"'):
            assert CANARY not in "\n".join(problems(written(tmp_path, slip), {}))


class TestTheDestination:
    def root(self, tmp_path: Path, root: Path | str) -> str:
        path = written(tmp_path, GOOD)
        (problem,) = problems(path, environ(tmp_path, ORDERWATCH_DELIVERY__ROOT=str(root)))
        return problem

    def test_a_relative_root_is_refused(self, tmp_path: Path) -> None:
        assert self.root(tmp_path, "deliveries") == "delivery.root: must be an absolute path"
        assert self.root(tmp_path, "~/deliveries") == "delivery.root: must be an absolute path"

    def test_a_root_below_a_file_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        expected = f"delivery.root: cannot be written: {tmp_path}/file: Not a directory"
        assert self.root(tmp_path, tmp_path / "file" / "a" / "b") == expected
        assert self.root(tmp_path, tmp_path / "file") == expected

    def test_a_root_that_leads_nowhere_cannot_be_written(self, tmp_path: Path) -> None:
        """A link to a volume that is not mounted."""
        (tmp_path / "link").symlink_to(tmp_path / "volume" / "deliveries")
        problem = self.root(tmp_path, tmp_path / "link")
        assert problem.startswith(f"delivery.root: cannot be written: {tmp_path}/link: ")

    def test_a_root_whose_name_no_file_system_takes_cannot_be_written(self, tmp_path: Path) -> None:
        assert self.root(tmp_path, tmp_path / ("x" * 300)).endswith(": File name too long")

    def test_the_root_of_a_watch_is_tried_too(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        path = written(tmp_path, f"{GOOD}\n[watch.delivery]\nroot = '{tmp_path}/file/own'")
        (problem,) = problems(path, environ(tmp_path))
        expected = f"watch[0].delivery.root: cannot be written: {tmp_path}/file: Not a directory"
        assert problem == expected
        load(path, environ(tmp_path), resolve=False)

    def test_the_default_places_are_tried_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/file:/elsewhere")
        found = problems(written(tmp_path, GOOD), {})
        assert {p.split(f" {tmp_path}/file: ")[0] for p in found} == {
            "delivery.root: cannot be written:",
            "database.url: cannot be written:",
        }

    @pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO])
    def test_a_disk_in_trouble_is_no_fault_of_the_configuration(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        def refuse(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refuse)
            types.try_folder(tmp_path)
            patch.setattr(types, "_DISK_ERRNOS", frozenset())
            with pytest.raises(ValueError, match="cannot be written"):
                types.try_folder(tmp_path)

    def test_trying_leaves_nothing_behind(self, tmp_path: Path) -> None:
        path = written(tmp_path, GOOD)
        load(path, environ(tmp_path))
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize(
        "url", ["sqlite:///relative.db", "sqlite://", "orderwatch.db", "mysql://h/d", ""]
    )
    def test_the_database_is_an_absolute_sqlite_file(self, tmp_path: Path, url: str) -> None:
        path = written(tmp_path, GOOD)
        (problem,) = problems(path, environ(tmp_path, ORDERWATCH_DATABASE__URL=url))
        expected = '"sqlite:////absolute/path.db" or "postgresql://user@host/database"'
        assert problem == f"database.url: must be {expected}"

    @pytest.mark.parametrize(
        "url", ["postgresql://h", "postgresql:///d", "postgresql://h:x/d", "postgresql://h/d?a=b"]
    )
    def test_a_server_has_a_host_and_a_database(self, tmp_path: Path, url: str) -> None:
        (problem,) = problems(written(tmp_path, GOOD), environ(tmp_path, ORDERWATCH_DATABASE__URL=url))
        assert problem.startswith('database.url: expected "postgresql://user@host/database"')

    def test_the_password_of_a_server_is_in_no_text(self, tmp_path: Path) -> None:
        url = "postgresql://me:canary%20word@db.example:6432/orders"
        location = load(
            written(tmp_path, GOOD), environ(tmp_path, ORDERWATCH_DATABASE__URL=url)
        ).database.location
        assert (str(location), getattr(location, "password", "")) == (
            "postgresql://me@db.example:6432/orders",
            "canary word",
        )
        assert "canary" not in repr(location)


class TestWithoutResolving:
    """Commands that only read need neither the secrets nor a destination that can be written."""

    content = account('client_secret = "file:/nowhere"')

    def test_secrets_and_destination_are_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        path = written(tmp_path, self.content)
        settings = load(
            path, environ(tmp_path, ORDERWATCH_DELIVERY__ROOT=f"{tmp_path}/file/x"), resolve=False
        )
        assert settings.accounts["main"].client_secret.get_secret_value() == "file:/nowhere"

    def test_every_other_problem_is_told_all_the_same(self, tmp_path: Path) -> None:
        path = written(tmp_path, f"{self.content}\n[log]\nlevel = 'loud'")
        found = problems(path, environ(tmp_path, ORDERWATCH_DELIVERY__ROOT="relative"), resolve=False)
        assert sorted(problem.split(":")[0] for problem in found) == ["delivery.root", "log.level"]


def test_legacy_credentials_need_no_contract(tmp_path: Path) -> None:
    settings = load(written(tmp_path, LEGACY + WATCH), environ(tmp_path))
    assert settings.accounts["main"].contract_id is None
    assert settings.accounts["main"].token_url == "https://login.satellogic.com/oauth/token"


names = st.sampled_from(
    sorted(
        {
            *Settings.model_fields,
            *Watch.model_fields,
            "main",
            "client_secret",
            "contract_id",
            "root",
            "layout",
        }
    )
)
keys = names | st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=3)
values = st.recursive(
    st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from(
        [
            *("", "5m", "main", "0", "env:X", "credential:../x", "file:", "{", "sqlite:///", "http://["),
            *("2026-11-22", "0001-01-01T00:00:00+14:00"),
        ]
    )
    | st.text(st.characters(codec="ascii", exclude_characters="\x7f"), max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(keys, values, max_size=6))
def test_whatever_toml_says_the_answer_is_settings_or_problems(
    tmp_path_factory: pytest.TempPathFactory, tables: dict[str, object]
) -> None:
    path = written(tmp_path_factory.getbasetemp(), toml(tables))
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert caught.value.problems


@given(st.text(st.sampled_from("_DELIVERYWATCH0az\u0663"), max_size=12), st.text(max_size=8))
def test_whatever_the_environment_says_the_answer_is_settings_or_problems(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: str
) -> None:
    path = written(tmp_path_factory.getbasetemp(), GOOD)
    try:
        load(path, {f"ORDERWATCH_{name}": value}, resolve=False)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - whether it raises is the property's own question

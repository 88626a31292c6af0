"""Schemathesis, a program for testing APIs, finds no answer that the description does not have."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest
from tests.servers.packages import SCHEMATHESIS_PACKAGES, python_programs
from tests.servers.processes import NoServerError
from tests.web.actions.actions_kit import BEARER, TOKEN, acting

from orderwatch.web.api.openapi import description

_MAX_EXAMPLES = 100  # of each operation
_SEED = 20


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Path:
    assert request.config.cache is not None
    try:
        return python_programs(request.config.cache.mkdir("servers"), SCHEMATHESIS_PACKAGES) / "st"
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.mark.long
@pytest.mark.parametrize(
    ("token", "headers"),
    [(TOKEN, BEARER), (TOKEN, {}), ("", {})],
    ids=["token", "no token", "no token needed"],
)
async def test_no_answer_is_undescribed(
    program: Path, token: str, headers: dict[str, str], database: Path
) -> None:
    described = database.with_name("openapi.json")
    described.write_text(json.dumps(description()), encoding="utf-8")
    async with acting(database, token=token, actions=bool(token)) as here:
        daemon = asyncio.create_task(here.answer_refreshes())
        before = await here.rows()
        code, out = await _run(program, described, here.port, headers)
        daemon.cancel()
        with suppress(asyncio.CancelledError):
            await daemon
        assert code == 0, out
        assert (await here.rows() == before) is (headers == {})


async def _run(program: Path, described: Path, port: int, headers: dict[str, str]) -> tuple[int, str]:
    given = [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    options = ("--max-examples", str(_MAX_EXAMPLES), "--seed", str(_SEED), "--continue-on-failure")
    excluded = ("--exclude-path", "/api/events")  # it never ends
    # Without a token every valid request is refused, as described; then only answers are compared.
    checks = () if headers else ("--exclude-checks", "positive_data_acceptance,negative_data_rejection")
    process = await asyncio.create_subprocess_exec(
        *(str(program), "run", str(described), "--url", f"http://127.0.0.1:{port}"),
        *(*given, *options, *excluded, *checks),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=described.parent,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()

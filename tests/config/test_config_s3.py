"""Roots in a bucket, and the `[s3]` table."""

from pathlib import Path

import pytest
from tests.config.files import CANARY, GOOD, environ, problems, written

from orderwatch.app.plan import Plan, resolve
from orderwatch.config import digest_of, load, remarks
from orderwatch.core.deliveries.delivery_root import BucketRoot

ROOT = "s3://bucket/some/prefix"
IN_BUCKET = f'{GOOD}\n[delivery]\nroot = "{ROOT}"\n'


def plan(folder: Path, text: str, **more: str) -> Plan:
    found = {"ORDERWATCH_DATABASE__URL": f"sqlite:///{folder}/orderwatch.db", **more}
    return resolve(load(written(folder, text), found))


def test_a_root_may_be_in_a_bucket_and_has_a_spool_beside_the_database(tmp_path: Path) -> None:
    found = plan(tmp_path, IN_BUCKET)
    root = found.roots[None]
    assert root == BucketRoot("bucket", "some/prefix")
    assert str(root) == ROOT
    assert found.folder(root).parent == tmp_path / "spool"
    other = plan(tmp_path, f"{IN_BUCKET}\n[s3]\nregion = 'x'")
    assert digest_of(found.settings) != digest_of(other.settings)  # and no warning of pydantic


def test_watches_may_have_roots_in_other_buckets_and_the_same_one_is_the_default(tmp_path: Path) -> None:
    text = IN_BUCKET.replace("[delivery]", '[watch.delivery]\nroot = "s3://other"\n[delivery]')
    assert set(plan(tmp_path, text).roots) == {None, "s3://other"}
    assert set(plan(tmp_path, text.replace("s3://other", f"{ROOT}/")).roots) == {None}


@pytest.mark.parametrize(
    "root", ["s3://", "s3://A_B", "s3://bucket//a", "s3://bucket/../a", "s3://bucket/\t"]
)
def test_an_address_that_is_none_is_a_problem(tmp_path: Path, root: str) -> None:
    (found,) = problems(written(tmp_path, GOOD), environ(tmp_path, ORDERWATCH_DELIVERY__ROOT=root))
    assert found.startswith("delivery.root: must be s3://BUCKET or s3://BUCKET/PREFIX")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('endpoint = "s3.example"', "s3.endpoint: must be a URL such as https://s3.example.com"),
        (f'endpoint = "https://me:{CANARY}@s3.example"', "s3.endpoint: must be a bare URL"),
        ('access_key_id = "AK"', "s3: access_key_id and secret_access_key are needed together"),
        ('region = "us east"', "s3.region: "),
    ],
)
def test_what_is_wrong_in_the_table_is_named(tmp_path: Path, table: str, problem: str) -> None:
    (found,) = problems(written(tmp_path, f"{IN_BUCKET}\n[s3]\n{table}"), {})
    assert found.startswith(problem)
    assert CANARY not in found


def test_the_secret_is_refused_in_a_file_that_others_can_read_and_may_be_elsewhere(tmp_path: Path) -> None:
    table = f'{IN_BUCKET}\n[s3]\naccess_key_id = "AK"\nsecret_access_key = '
    path = written(tmp_path, f'{table}"{CANARY}"', mode=0o644)
    assert any(problem.startswith("s3.secret_access_key: ") for problem in problems(path, environ(tmp_path)))
    (tmp_path / "key").write_text(CANARY, encoding="utf-8")
    settings = plan(tmp_path, f'{table}"file:{tmp_path}/key"').settings
    assert settings.s3.secret_access_key.get_secret_value() == CANARY
    assert CANARY not in repr(settings)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"{IN_BUCKET}extract = true", "delivery.extract: zips cannot be extracted in a bucket"),
        (
            IN_BUCKET.replace("[delivery]", "[watch.delivery]\nextract = true\n[delivery]"),
            "watch[0].delivery.extract: zips cannot be extracted in a bucket",
        ),
        (
            f'{GOOD}\n[watch.delivery]\nroot = "{ROOT}"\n[delivery]\nroot = "/tmp/x"\nextract = true',
            "watch[0].delivery.root: zips cannot be extracted in a bucket",
        ),
    ],
)
def test_zips_are_not_extracted_in_a_bucket(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = problems(written(tmp_path, text), {}, resolve=False)
    assert found.startswith(problem)


def test_a_missing_extra_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderwatch.config.s3.find_spec", lambda _: None)
    assert problems(written(tmp_path, IN_BUCKET), {}, resolve=False) == [
        "delivery.root: a bucket needs an extra: pip install 'orderwatch[s3]'"
    ]


def test_deliveries_that_travel_unencrypted_are_remarked(tmp_path: Path) -> None:
    text = f'{IN_BUCKET}\n[s3]\nendpoint = "http://%s:9000"'
    assert remarks(plan(tmp_path, text % "127.0.0.1").settings) == []
    (remark,) = remarks(plan(tmp_path, text % "s3.example").settings)
    assert remark.startswith("s3.endpoint: http://")

"""A JSON file is whole if it parses; of a very large one the end closes the beginning."""

import json
from pathlib import Path

import pytest
from tests.transfer.kinds.kinds_kit import refuse, refuse_every_cut, run

from orderwatch.transfer.kinds import json_text
from orderwatch.transfer.kinds.json_text import check_json

FEATURES = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "id": number, "name": 'a "}" ñ\\', "at": [1.5, -2e3]} for number in range(5)
        ],
    }
).encode()


@pytest.mark.parametrize(
    "data",
    [
        FEATURES,
        FEATURES + b"\r\n \t",
        b"\xef\xbb\xbf" + FEATURES,
        FEATURES.decode().encode("utf-16"),
        b"[]",
        b"{}",
        b'{"toa_factors": [NaN, Infinity, -Infinity], "count": ' + b"9" * 5000 + b"}",
        b"\n" + json.dumps([["ñ", None, True]], ensure_ascii=False).encode(),
    ],
)
def test_what_tools_write_as_json_is_accepted(tmp_path: Path, data: bytes) -> None:
    run(check_json, tmp_path, data)


@pytest.mark.parametrize("data", [FEATURES, b"\xef\xbb\xbf[1, [2]]", FEATURES.decode().encode("utf-16")])
def test_no_cut_is_accepted(tmp_path: Path, data: bytes) -> None:
    refuse_every_cut(check_json, tmp_path, data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (FEATURES[:50] + bytes(20) + FEATURES[70:], "damaged"),
        (FEATURES + FEATURES, "damaged"),
        (b"<kml/>", "damaged"),
        (b'{"name": "\xf1"}', "damaged"),
        (b"[" * 200_000 + b"]" * 200_000, "nested"),
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    refuse(check_json, tmp_path, data, words)


def test_a_very_large_file_has_to_end_as_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_MAX_PARSED_BYTES", 5000)
    data = b"\xef\xbb\xbf" + json.dumps([{"a": number} for number in range(1000)]).encode()
    run(check_json, tmp_path, data + b"\n")
    refuse(check_json, tmp_path, data[:-1])
    refuse(check_json, tmp_path, data[:-5])

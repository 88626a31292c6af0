"""Promised checksums are read only if they are certain; other forms promise nothing."""

import hashlib

import pytest

from orderwatch.core.deliveries.checksum import Checksum, parse_multihash

PREFIXES = {"sha256": "1220", "sha1": "1114", "md5": "d50110", "sha512": "1340"}


@pytest.mark.parametrize("algorithm", PREFIXES)
@pytest.mark.parametrize("form", [str.lower, str.upper])
def test_a_multihash_of_a_known_algorithm_is_read(algorithm: str, form: type[str]) -> None:
    digest = hashlib.new(algorithm, b"a file").hexdigest()
    assert parse_multihash(form(PREFIXES[algorithm] + digest)) == Checksum(algorithm, digest)


@pytest.mark.parametrize(
    "text",
    [
        None,
        12,
        "",
        "1220",
        "1220" + "0" * 63,
        "1220" + "0" * 62,
        "1220" + "0" * 66,
        "1620" + "0" * 64,
        "0" * 64,
        "sha256:" + "0" * 64,
        "122g" + "0" * 64,
        "1220" + "0" * 64 + "\n",
        " 1220" + "0" * 64,
        ["1220" + "0" * 64],
    ],
)
def test_any_other_text_is_no_checksum(text: object) -> None:
    assert parse_multihash(text) is None

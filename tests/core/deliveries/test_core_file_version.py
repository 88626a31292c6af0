"""What two descriptions of a file prove: a missing fact proves no change, a young date nothing."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.deliveries.file_version import FileVersion

NOON, NEXT_SECOND, MINUTE_LATER = (f"Sun, 22 Nov 2026 12:{time} GMT" for time in ("00:00", "00:01", "01:00"))
TAGS = (None, '"a"', '"b"', 'W/"a"', 'W/"b"')


def version(
    total: int | None = 9,
    tag: str | None = '"a"',
    modified: str | None = NOON,
    date: str | None = MINUTE_LATER,
) -> FileVersion:
    is_weak = tag is not None and tag.startswith("W/")
    return FileVersion(total, None if is_weak else tag, tag if is_weak else None, modified, date)


versions = st.builds(
    version,
    st.sampled_from([None, 9, 10]),
    st.sampled_from(TAGS),
    st.sampled_from([None, NOON, NEXT_SECOND]),
    st.sampled_from([None, NOON, MINUTE_LATER]),
)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(version(), '"a"', id="a strong tag"),
        pytest.param(version(date=NOON), '"a"', id="a strong tag and a young date"),
        pytest.param(version(tag=None), NOON, id="an old date"),
        pytest.param(version(tag='W/"a"'), NOON, id="an old date and a weak tag"),
        pytest.param(version(tag=None, date=NEXT_SECOND), None, id="a young date"),
        pytest.param(version(tag=None, date=None), None, id="a date of unknown age"),
        pytest.param(version(tag='W/"a"', modified=None), None, id="a weak tag"),
        pytest.param(version().without_tags(), NOON, id="tags of the link"),
        pytest.param(FileVersion(), None, id="nothing"),
    ],
)
def test_the_rest_is_requested_under_the_best_condition(known: FileVersion, expected: str | None) -> None:
    assert known.if_range == expected


@pytest.mark.parametrize(
    ("known", "vouches"),
    [
        (version(), True),
        (version(date=NOON), False),  # many tags are made of date and size
        (version(modified=None), True),
        (version(tag=None), True),
        (version(tag=None, date=NEXT_SECOND), False),
        (version(tag='W/"a"', modified=None), False),
        (FileVersion(), False),
    ],
)
def test_a_young_date_makes_the_tag_as_weak_as_itself(known: FileVersion, vouches: bool) -> None:  # noqa: FBT001 - a table's column
    assert known.vouches is vouches
    assert known.proves(known) is vouches


@given(versions, versions)
def test_without_checksums_nothing_goes_on_without_proof_and_no_contradiction_is_passed_over(
    known: FileVersion, answer: FileVersion
) -> None:
    if known.continued_by(answer, proves_itself=False) is not None:
        assert known.proves(answer)
        assert not known.differs_from(answer)
        assert not answer.differs_from(known)


@given(versions, versions)
def test_a_zip_goes_on_unless_size_or_date_differ_or_its_tag_does_without_an_equal_date(
    known: FileVersion, answer: FileVersion
) -> None:
    is_other = any(
        None not in pair and len(set(pair)) > 1
        for pair in ((known.total, answer.total), (known.last_modified, answer.last_modified))
    )
    continued = known.continued_by(answer, proves_itself=True)
    if is_other:
        assert continued is None
    elif not known.differs_from(answer):
        assert continued is not None


@given(st.lists(versions, min_size=2, max_size=6))
def test_going_on_keeps_the_date_of_the_first_bytes_and_loses_no_fact(answers: list[FileVersion]) -> None:
    known = answers[0]
    for _, answer in pairwise(answers):
        continued = known.continued_by(answer, proves_itself=True)
        if continued is None:
            continue
        if known.last_modified is not None:
            assert (continued.last_modified, continued.host_date) == (known.last_modified, known.host_date)
        assert continued.total is not None or (known.total is None and answer.total is None)
        known = continued


@given(versions, st.sampled_from([None, MINUTE_LATER, NEXT_SECOND]))
def test_an_answer_without_news_changes_nothing_so_that_the_control_file_still_matches(
    known: FileVersion, now: str | None
) -> None:
    assert known.continued_by(replace(known, host_date=now), proves_itself=True) == known


@given(versions)
def test_a_fact_that_is_missing_proves_no_change(known: FileVersion) -> None:
    assert not known.differs_from(FileVersion())
    assert not FileVersion().differs_from(known)


def test_a_tag_that_is_weak_only_at_first_is_the_same_tag() -> None:
    assert not version(tag='W/"a"').differs_from(version(tag='"a"'))
    assert version(tag='W/"a"').differs_from(version(tag='"b"'))


def test_a_tag_that_changes_alone_is_of_the_link_if_the_date_is_the_same() -> None:
    assert version().has_tags_of_link(version(tag='"b"'))
    assert not version().has_tags_of_link(version(tag='"b"', modified=NEXT_SECOND))
    assert not version().has_tags_of_link(version(tag='"b"', total=10))
    assert not version().has_tags_of_link(version())


def test_a_tag_that_changes_within_the_second_of_a_young_date_is_of_another_file() -> None:
    """Some hosts make tags of the exact time: here only the tag shows the change."""
    young = version(date=NOON)
    assert not young.has_tags_of_link(version(tag='"b"'))
    assert young.continued_by(version(tag='"b"'), proves_itself=True) is None


def test_without_a_date_the_tag_has_to_change_twice_and_the_new_file_is_protected_until_then() -> None:
    first, second, third = (version(tag=f'"{n}"', modified=None) for n in "123")
    once = first.replaced_by(second)
    assert (once.validator, once.tag_changes) == ('"2"', 1)
    assert once.differs_from(third)
    assert once.continued_by(second, proves_itself=True) == second  # the same tag with another link
    assert once.continued_by(third, proves_itself=True) == second.without_tags()


def test_a_real_change_keeps_the_protection_of_the_new_file() -> None:
    new = version(tag='"b"', modified=NEXT_SECOND)
    assert version().replaced_by(new) == new
    assert new.if_range == '"b"'


def test_a_file_of_a_host_whose_tags_are_of_the_link_is_compared_by_size_and_date() -> None:
    known = version().without_tags()
    assert known.continued_by(version(tag='"c"'), proves_itself=True) == known
    assert known.continued_by(version(tag='"c"', modified=NEXT_SECOND), proves_itself=True) is None
    assert known.replaced_by(version(tag='"c"')).validator is None


@pytest.mark.parametrize(
    ("found", "agrees"),
    [
        (version(), True),
        (version(date=None), True),
        (version(tag='"b"'), False),
        (version(tag=None), False),
        (version(total=10), False),
        (version(total=None), False),
        (version(modified=NEXT_SECOND), False),
        (version(modified=None), False),
    ],
)
def test_a_stored_file_is_the_published_one_only_if_size_tag_and_date_agree(
    found: FileVersion,
    agrees: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert version().agrees_fully_with(found) is agrees
    assert not version(date=NOON).agrees_fully_with(found)


def test_it_is_certainly_the_same_file_only_with_its_size() -> None:
    assert version().is_certainly(version())
    assert not version(total=None).is_certainly(version(total=None))
    assert not version(date=NOON).is_certainly(version())


@given(versions)
def test_the_facts_of_a_version_make_it_again(known: FileVersion) -> None:
    assert FileVersion.of({**known.facts(), "held": []}) == known
    assert FileVersion.of({"total": known.total, "validator": known.validator}) == replace(
        FileVersion(), total=known.total, validator=known.validator
    )

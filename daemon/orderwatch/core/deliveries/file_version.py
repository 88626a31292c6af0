"""How a download host identifies its file, and what two such descriptions prove (RFC 9110, section 8.8)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from orderwatch.core.retry_after import http_date

# Dates name whole seconds, so a file can change twice under one date. Older than this it no longer can.
_STRONG_DATE_AGE = timedelta(minutes=1)
_TAGS_ARE_OF_LINK = 2  # changes of the tag alone until it says nothing about the file


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file as its host described it when it sent the first byte: size in bytes, ETag, dates as sent.

    `tag_changes` counts in a row how often the ETag was another one while size and date were not.
    """

    total: int | None = None
    validator: str | None = None  # a strong ETag
    weak_validator: str | None = None  # a weak ETag
    last_modified: str | None = None
    host_date: str | None = None
    tag_changes: int = 0

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "FileVersion":
        """Return the version that has these facts; others are ignored."""
        return cls(**{name: facts[name] for name in cls.__dataclass_fields__ if name in facts})

    def facts(self) -> dict[str, Any]:
        """Return its fields by name, for a row or JSON."""
        return asdict(self)

    @property
    def strong_date(self) -> str | None:
        """`last_modified`, if no later change can have the same date."""
        modified, now = http_date(self.last_modified), http_date(self.host_date)
        is_strong = modified is not None and now is not None and now - modified >= _STRONG_DATE_AGE
        return self.last_modified if is_strong else None

    @property
    def if_range(self) -> str | None:
        """The value of `If-Range` in a request for the rest of this file, None without a strong validator."""
        return (None if self.tag_changes else self.validator) or self.strong_date

    def differs_from(self, other: "FileVersion") -> bool:
        """Return whether anything shows that these are two files."""
        return self._other_facts_differ(other) or self._tag_differs(other)

    @property
    def vouches(self) -> bool:
        """Whether a validator can prove that bytes are of this file.

        Many hosts make a strong ETag of date and size, so a young date makes the tag as weak as itself.
        """
        is_alone = self.validator is not None and self.last_modified is None
        return self.strong_date is not None or (is_alone and not self.tag_changes)

    def proves(self, other: "FileVersion") -> bool:
        """Return whether `other` has a strong validator of this version and nothing contradicts it."""
        has_tag = self.validator is not None and self.validator == other.validator
        has_date = self.strong_date is not None and self.strong_date == other.last_modified
        return self.vouches and (has_tag or has_date) and not self.differs_from(other)

    def is_certainly(self, other: "FileVersion") -> bool:
        """Return whether `other` has the same size and a strong validator of this version."""
        return self.total is not None and self.total == other.total and self.proves(other)

    def agrees_fully_with(self, other: "FileVersion") -> bool:
        """Return whether size, strong ETag and strong date are all there and all the same.

        Less proves nothing against a provider that announces a change: tags are cached, dates name seconds.
        """
        has_all = None not in (self.total, self.validator, self.strong_date)
        return has_all and (self.total, self.validator, self.strong_date) == (
            other.total,
            other.validator,
            other.last_modified,
        )

    def continued_by(self, answer: "FileVersion", *, proves_itself: bool) -> "FileVersion | None":
        """Return this version, with what the answer adds, if the answer brings the rest of the same file.

        A file that `proves_itself` by checksums may continue without proof of the host's. Any other one needs
        it, and no tag of its may change.
        """
        if self._other_facts_differ(answer):
            return None
        if self._tag_differs(answer):
            return self.without_tags() if proves_itself and self.has_tags_of_link(answer) else None
        if not proves_itself and not self.proves(answer):
            return None
        return self._completed_by(answer)

    def replaced_by(self, answer: "FileVersion") -> "FileVersion":
        """Return the version of a file that is sent from its first byte instead of this one's rest."""
        if self.total is None or self._other_facts_differ(answer):
            return answer
        if not self._reads_tags:
            return answer.without_tags()
        return replace(answer, tag_changes=1) if self._tag_differs(answer) else answer

    def has_tags_of_link(self, answer: "FileVersion") -> bool:
        """Return whether only the tag is another one, so that it names the link and not the file.

        Without an old date to compare, the tag has to change twice in a row.
        """
        is_alone = self._tag_differs(answer) and not self._other_facts_differ(answer)
        has_date = self.strong_date is not None and self.strong_date == answer.last_modified
        return is_alone and self.total is not None and (has_date or self.tag_changes > 0)

    def without_tags(self) -> "FileVersion":
        """Return the version with tags that say nothing."""
        return replace(self, validator=None, weak_validator=None, tag_changes=_TAGS_ARE_OF_LINK)

    @property
    def tag(self) -> str | None:
        """The ETag, alike for weak and strong: some hosts send a fresh file's as weak at first."""
        tag = self.validator or self.weak_validator
        return tag and tag.removeprefix("W/")

    @property
    def _reads_tags(self) -> bool:
        return self.tag_changes < _TAGS_ARE_OF_LINK

    def _completed_by(self, answer: "FileVersion") -> "FileVersion":
        """Return the version with the facts that only the answer has; its date keeps the time it was seen."""
        facts: dict[str, Any] = {"total": answer.total if self.total is None else self.total}
        if self._reads_tags:
            is_tagged = self.tag is not None
            facts["validator"] = self.validator if is_tagged else answer.validator
            facts["weak_validator"] = self.weak_validator if is_tagged else answer.weak_validator
            facts["tag_changes"] = self.tag_changes if answer.tag is None else 0
        if self.last_modified is None and answer.last_modified is not None:
            facts |= {"last_modified": answer.last_modified, "host_date": answer.host_date}
        return replace(self, **facts)

    def _tag_differs(self, other: "FileVersion") -> bool:
        return self._reads_tags and _differ(self.tag, other.tag)

    def _other_facts_differ(self, other: "FileVersion") -> bool:
        dates = http_date(self.last_modified), http_date(other.last_modified)
        return _differ(self.total, other.total) or _differ(*dates)


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """The file whose bytes were wrong twice, and why."""

    version: FileVersion
    reason: str


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other

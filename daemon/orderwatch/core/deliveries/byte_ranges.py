"""The ranges of a file's bytes that are present: half-open, sorted, never touching."""

from collections.abc import Iterable
from dataclasses import dataclass

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Ranges:
    spans: tuple[Span, ...] = ()

    @classmethod
    def of(cls, spans: Iterable[Span]) -> "Ranges":
        """Returns the ranges of spans in any order, which may overlap or be empty."""
        found: list[Span] = []
        for start, stop in sorted(span for span in spans if span[0] < span[1]):
            if found and start <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], stop))
            else:
                found.append((start, stop))
        return cls(tuple(found))

    @property
    def prefix(self) -> int:
        """The number of bytes from the first one to the first gap."""
        return self.spans[0][1] if self.spans and self.spans[0][0] == 0 else 0

    @property
    def total(self) -> int:
        return sum(stop - start for start, stop in self.spans)

    @property
    def end(self) -> int:
        return self.spans[-1][1] if self.spans else 0

    def joined(self, start: int, stop: int) -> "Ranges":
        return Ranges.of((*self.spans, (start, stop)))

    def below(self, size: int) -> "Ranges":
        """Returns the ranges within the first `size` bytes."""
        return Ranges.of((start, min(stop, size)) for start, stop in self.spans)

    def gaps(self, size: int) -> tuple[Span, ...]:
        """Returns the missing ranges of the first `size` bytes."""
        edges = [0, *(edge for span in self.below(size).spans for edge in span), size]
        return Ranges.of(zip(edges[::2], edges[1::2], strict=True)).spans

"""Who fetches which bytes of one file: each missing byte belongs to one connection, or to nobody yet."""

from orderwatch.core.ranges import Ranges, Span


class Claim:
    """Bytes that one connection fetches: `at` moves on as they come; `stop` may come nearer meanwhile.

    `stop` is None where nobody knows the file's length.
    """

    def __init__(self, at: int, stop: int | None) -> None:
        self.at = at
        self.stop = stop
        self.reach = stop  # its connection would bring so much

    @property
    def left(self) -> int | None:
        return None if self.stop is None else self.stop - self.at


class Claims:
    """The missing bytes of a file of `size` bytes, None where that is not known."""

    def __init__(self, held: Ranges, size: int | None) -> None:
        self._live: list[Claim] = []
        self._free: list[Span] = [] if size is None else list(held.gaps(size))
        self._endless = [Claim(held.prefix, None)] if size is None else []

    def first(self) -> Claim | None:
        """The first gap that nobody fetches, whole."""
        if self._endless:
            return self._endless.pop()
        return self._begin(self._free.pop(0)) if self._free else None

    def last(self, piece: int) -> Claim | None:
        """About `piece` bytes from the end of the last gap, or of what another connection has before it."""
        if self._free:
            start, stop = self._free.pop()
            if stop - start >= 2 * piece:
                self._free.append((start, stop - piece))
                start = stop - piece
            return self._begin((start, stop))
        longest = max(self._live, key=lambda claim: claim.left or 0, default=None)
        if longest is None or longest.stop is None or (longest.left or 0) < 2 * piece:
            return None
        longest.stop -= piece
        return self._begin((longest.stop, longest.stop + piece))

    def release(self, claim: Claim) -> None:
        """Its connection has ended: what is left of it is a gap again."""
        if claim in self._live:
            self._live.remove(claim)
        for other in self._live:
            if claim.left and other.stop == claim.at and (other.reach or 0) >= claim.at + claim.left:
                other.stop, claim.stop = claim.stop, claim.at
        if claim.left:
            self._free = sorted([*self._free, (claim.at, claim.at + claim.left)])

    def _begin(self, span: Span) -> Claim:
        claim = Claim(*span)
        self._live.append(claim)
        return claim

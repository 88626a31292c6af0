"""Download hosts that break after their first answer, each in its own way: a table of behaviours."""

import gzip
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from tests.transfer.transfer_kit import Act, Answer, Asked, head, reply, sample_zip

NAMED = "bytes {first}-{last}/{size}"
DATE = "Sun, 22 Nov 2026 12:00:00 GMT"
LATER = "Sun, 22 Nov 2026 13:00:00 GMT"
STRONG: Mapping[str, str] = {"ETag": '"a"'}
PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
STORAGE = "/storage/"


@dataclass(frozen=True)
class Behaviour:
    """A host whose first answer has the headers `first` and is cut; the next answers are `then`.

    `ends` names the file that is stored in the end: `A`, `B` (as long), `C` (longer), `S` (shorter), `*` for
    any of them, `-` for none, `?` for either; a second letter is for what was cut after its first byte.
    `blind` is a host whose headers do not show that the bytes are others: only the check of the whole file
    can tell.
    """

    ends: str
    then: tuple[Answer, ...]
    first: Mapping[str, str | None] = field(default_factory=lambda: STRONG)
    blind: bool = False

    def end(self, cut: int) -> str:
        return self.ends[-1 if cut else 0]


@dataclass(frozen=True)
class Files:
    """What the hosts serve, by the letters of `Behaviour.ends`."""

    a: bytes
    b: bytes
    c: bytes
    s: bytes

    def __getitem__(self, letter: str) -> bytes:
        found: bytes = getattr(self, letter.lower())
        return found


Group = Callable[[Files, Answer, Answer], Mapping[str, Behaviour]]


@cache
def files(size: int) -> Files:
    a, b, c, s = (sample_zip(seed, size + more) for seed, more in ((1, 0), (2, 0), (3, 1000), (4, -1000)))
    assert len(a) == len(b)
    return Files(a, b, c, s)


def asked_span(asked: Asked, size: int) -> tuple[int, int] | None:
    """First and last byte of the range that was asked for; None for everything."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("range", ""))
    return None if match is None else (int(match[1]), min(int(match[2] or size), size - 1))


def sends(
    data: bytes,
    headers: Mapping[str, str | None] = STRONG,
    *,
    ranges: bool = True,
    if_range: bool = True,
    named: str = NAMED,
    status: int = 0,
    fresh: int = 200,
    shift: int = 0,
    slip: int = 0,
    upto: int | None = None,
    less: int = 0,
    version: str = "1.1",
    behind: tuple[bytes | Act, ...] = (),
) -> Answer:
    """A host with a file, honest unless told otherwise.

    A range is answered from `shift` bytes later and called so, or from `slip` bytes later and not called so,
    as `named`, with `status`, `less` bytes shorter than asked; a request for everything with `fresh`. Nothing
    is sent from `upto` on. Headers that are None are not there; an ETag may hold `{link}`.
    """

    def answer(asked: Asked) -> Iterator[bytes | Act]:
        told = {"Content-Type": "application/zip", **headers}
        if told.get("ETag"):
            told["ETag"] = str(told["ETag"]).format(link=asked.target[-1])
        wanted = asked.headers.get("if-range")
        agreed = not if_range or wanted in {None, told.get("ETag"), told.get("Last-Modified")}
        span = asked_span(asked, len(data)) if ranges and agreed else None
        code, first, last = fresh, 0, len(data) - 1
        if span is not None and span[0] >= len(data):
            yield head(416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": 0})
            return
        if span is not None:
            code, first, last = status or 206, max(0, span[0] + shift), span[1] - less
        if code == 206 and named:
            told["Content-Range"] = named.format(first=first, last=last, size=len(data))
        length = {"Content-Length": str(last + 1 - first)}
        lines = {name: value for name, value in (length | told).items() if value is not None}
        body = data[first : last + 1][: None if upto is None else max(0, upto - first)]
        if span is not None:
            body = body[slip:] + b"\0" * slip
        if "Transfer-Encoding" in lines:
            body = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        yield head(code, lines).replace(b"HTTP/1.1", f"HTTP/{version}".encode())
        yield body
        yield from behind

    return answer


def paced(answer: Answer, pace: int) -> Answer:
    """The same with a pause after every `pace` bytes."""

    def paused(asked: Asked) -> Iterator[bytes | Act]:
        for step in answer(asked):
            if isinstance(step, Act) or len(step) <= pace:
                yield step
                continue
            for at in range(0, len(step), pace):
                yield step[at : at + pace]
                yield Act.PAUSE

    return paused


def for_ranges(ranged: Answer, otherwise: Answer) -> Answer:
    """One answer to a request for a range, another one to a request for everything."""
    return lambda asked: (ranged if "range" in asked.headers else otherwise)(asked)


def redirects(to: str, there: Answer | None = None) -> Answer:
    """302, and `there` for what then comes to storage."""
    moved = reply(302, Location=to)
    return lambda asked: (there if there and asked.target.startswith(STORAGE) else moved)(asked)


def raw(*steps: bytes | Act) -> Answer:
    """Anything at all, be it HTTP or not."""
    return lambda _asked: iter(steps)


def gone(status: int, **headers: str) -> Answer:
    return reply(status, b"no\n", **headers)


CHUNKED: Mapping[str, str | None] = {"Content-Length": None, "Transfer-Encoding": "chunked"}
LAST_CHUNK = b"0\r\n\r\n"
NO_LENGTH: Mapping[str, str | None] = {"Content-Length": None}
NOTHING: Mapping[str, str | None] = {}
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n"


@cache
def behaviours(size: int) -> Mapping[str, Behaviour]:
    """Every behaviour, with files of about this size."""
    return ranging(size) | _table(size, _refusing, _pages, _framing)


@cache
def ranging(size: int) -> dict[str, Behaviour]:
    """Those that go on with a file, of whatever kind, range or not."""
    return _table(size, _honest, _changed, _bent)


def _table(
    size: int, *groups: Callable[[Files, Answer, Answer], Mapping[str, Behaviour]]
) -> dict[str, Behaviour]:
    f = files(size)
    honest, whole = sends(f.a), sends(f.a, ranges=False)
    return {name: behaviour for group in groups for name, behaviour in group(f, honest, whole).items()}


def _honest(f: Files, honest: Answer, whole: Answer) -> Mapping[str, Behaviour]:
    weak, dated, by_link = {"ETag": 'W/"a"'}, {"Last-Modified": DATE}, {"ETag": '"{link}"'}
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
    return {
        "strong ETag": Behaviour("A", (honest,)),
        "no validator": Behaviour("A", (sends(f.a, NOTHING),), NOTHING),
        "Last-Modified alone": Behaviour("A", (sends(f.a, dated),), dated),
        "weak ETag": Behaviour("A", (sends(f.a, weak),), weak),
        "ETag of the link": Behaviour("A", (sends(f.a, by_link),), by_link),
        "ETag of the link, If-Range ignored": Behaviour("A", (sends(f.a, by_link, if_range=False),), by_link),
        "no ranges": Behaviour("A", (whole,)),
        "no ranges, no validator": Behaviour("A", (sends(f.a, NOTHING, ranges=False),), NOTHING),
        "HTTP/1.0": Behaviour("A", (sends(f.a, version="1.0"),)),
        "no Content-Type": Behaviour("A", (sends(f.a, {"Content-Type": None}),), NOTHING),
        "early hints": Behaviour("A", (lambda asked: iter((hints, *honest(asked))),)),
        "chunked": Behaviour("A", (sends(f.a, CHUNKED, behind=(LAST_CHUNK,)),), CHUNKED),
        "ends by closing": Behaviour("A", (sends(f.a, NO_LENGTH, ranges=False),), NO_LENGTH),
        "range ends by closing": Behaviour("A", (sends(f.a, NO_LENGTH),), NOTHING),
        "redirect to storage": Behaviour("A", (redirects(f"{STORAGE}a?token=canary", honest),)),
    }


def _changed(f: Files, honest: Answer, _whole: Answer) -> Mapping[str, Behaviour]:
    other, weak, other_weak = {"ETag": '"b"'}, {"ETag": 'W/"a"'}, {"ETag": 'W/"b"'}
    dated, later = {"Last-Modified": DATE}, {"Last-Modified": LATER}
    return {
        "changed": Behaviour("B", (sends(f.b, other),)),
        "changed, If-Range ignored": Behaviour("B", (sends(f.b, other, if_range=False),)),
        "changed, no validator": Behaviour("B", (sends(f.b, NOTHING),), NOTHING, blind=True),
        "changed, validator gone": Behaviour("B", (sends(f.b, NOTHING, if_range=False),), blind=True),
        "changed, Last-Modified alone": Behaviour("B", (sends(f.b, later, if_range=False),), dated),
        "changed, weak ETag": Behaviour("B", (sends(f.b, other_weak, if_range=False),), weak),
        "changed, ETag as before": Behaviour("B", (sends(f.b),), blind=True),
        "changed and back": Behaviour("BA", (sends(f.b, other, if_range=False), sends(f.a, {"ETag": '"c"'}))),
        "changed with every answer, no validator": Behaviour(
            "*", (sends(f.b, NOTHING), sends(f.a, NOTHING)) * 50, NOTHING, blind=True
        ),
        "longer": Behaviour("C", (sends(f.c, other),)),
        "longer, If-Range ignored": Behaviour("C", (sends(f.c, other, if_range=False),)),
        "longer, no validator": Behaviour("C", (sends(f.c, NOTHING),), NOTHING),
        "longer, ETag as before": Behaviour("C", (sends(f.c),)),
        "longer, chunked": Behaviour("C", (sends(f.c, CHUNKED, behind=(LAST_CHUNK,)),), CHUNKED, blind=True),
        "shorter": Behaviour("S", (sends(f.s, other),)),
        "shorter, If-Range ignored": Behaviour("S", (sends(f.s, NOTHING, if_range=False),)),
        "broken once": Behaviour("A", (sends(f.b, other, if_range=False, upto=len(f.b) // 2), honest)),
    }


def _bent(f: Files, honest: Answer, whole: Answer) -> Mapping[str, Behaviour]:
    parts = {**STRONG, "Content-Type": "multipart/byteranges; boundary=x"}
    long = {**STRONG, "Content-Length": str(len(f.a) + 100)}
    huge = "bytes {first}-{last}/" + "9" * 5000
    return {
        "range begins earlier": Behaviour("A", (sends(f.a, shift=-1),)),
        "range begins at 0": Behaviour("A", (sends(f.a, shift=-len(f.a)),)),
        "range begins later": Behaviour("A", (sends(f.a, shift=1, upto=len(f.a)),)),
        "range begins later, once": Behaviour("A", (sends(f.a, shift=1), honest)),
        "range is not what it is called": Behaviour("A", (sends(f.a, slip=1),), blind=True),
        "range is shorter than asked": Behaviour("A", (sends(f.a, less=1),)),
        "206 without Content-Range": Behaviour("A", (sends(f.a, named=""),)),
        "206 without Content-Range, of everything": Behaviour("A", (sends(f.a, named="", shift=-len(f.a)),)),
        "206 of another total": Behaviour("A", (sends(f.a, named="bytes {first}-{last}/7{size}"),)),
        "206 of total *": Behaviour("A", (sends(f.a, named="bytes {first}-{last}/*"),)),
        "206 of another unit": Behaviour("A", (sends(f.a, named="pages {first}-{last}/{size}"),)),
        "206 of a total of 5000 digits": Behaviour("A", (sends(f.a, named=huge),)),
        "206 multipart": Behaviour("A", (sends(f.a, parts, named=""),)),
        "206 to everything": Behaviour("A", (sends(f.a, fresh=206),)),
        "206 called 200": Behaviour("A", (sends(f.a, status=200),)),
        "206 called a page": Behaviour("A", (sends(f.a, {**STRONG, "Content-Type": "text/html"}),)),
        "ranges forbidden": Behaviour("A", (for_ranges(gone(403), whole),)),
        "ranges are bad requests": Behaviour("A", (for_ranges(gone(400), whole),)),
        "ranges answered with a page": Behaviour(
            "A", (for_ranges(reply(200, PAGE, Content_Type="text/html"), whole),)
        ),
        "length longer than the file": Behaviour("A", (sends(f.a, long),), long),
        "206 compressed": Behaviour(
            "A", (for_ranges(sends(f.a, {**STRONG, "Content-Encoding": "gzip"}), whole),)
        ),
    }


def _refusing(f: Files, honest: Answer, whole: Answer) -> Mapping[str, Behaviour]:
    right, none = gone(416, Content_Range=f"bytes */{len(f.a)}"), gone(416)

    def what_we_hold(asked: Asked) -> Iterator[bytes | Act]:
        held = (asked_span(asked, len(f.a)) or (0, 0))[0]
        return gone(416, Content_Range=f"bytes */{held}")(asked)

    one: Callable[..., Behaviour] = lambda code, **more: Behaviour("A", (gone(code, **more), honest))  # noqa: E731 - a column of the table
    ever: Callable[..., Behaviour] = lambda code, **more: Behaviour("-", (gone(code, **more),))  # noqa: E731 - as above
    return {
        "416 of the right size": Behaviour("A", (for_ranges(right, whole),)),
        "416 of what we hold": Behaviour("A", (for_ranges(what_we_hold, whole),)),
        "416 of what we hold, chunked": Behaviour("A", (for_ranges(what_we_hold, whole),), CHUNKED),
        "416 of another size": Behaviour("A", (for_ranges(gone(416, Content_Range="bytes */7"), whole),)),
        "416 without size": Behaviour("A", (for_ranges(none, whole),)),
        "416 to everything": Behaviour("-", (none,)),
        "204 once": one(204),
        "304 once": one(304, ETag='"a"'),
        "304 for ever": ever(304, ETag='"a"'),
        "401 once": one(401),
        "403 once": one(403),
        "403 for ever": ever(403),
        "404 once": one(404),
        "410 once": one(410),
        "429 once": one(429, Retry_After="2"),
        "500 once": one(500),
        "503 once": one(503, Retry_After="7"),
        "503 for ever": ever(503, Retry_After="much"),
        "redirect in a circle": Behaviour("-", (redirects(f"{STORAGE}a?token=canary"),)),
        "redirect to nowhere": Behaviour("-", (reply(302),)),
        "redirect to a file": Behaviour("-", (redirects("file:///etc/passwd?token=canary"),)),
        "redirect to metadata": Behaviour("-", (redirects("http://169.254.169.254/?token=canary"),)),
        "redirect inside": Behaviour("-", (redirects("https://10.0.0.1/?token=canary"),)),
    }


def _pages(f: Files, honest: Answer, _whole: Answer) -> Mapping[str, Behaviour]:
    page, disguised = reply(200, PAGE, Content_Type="text/html"), reply(200, PAGE)
    error = reply(200, b'{"error": "canary"}', Content_Type="application/json")
    packed = gzip.compress(f.a, 1)
    return {
        "page once": Behaviour("A", (page, honest)),
        "page for ever": Behaviour("-", (page,)),
        "page called a file": Behaviour("-", (disguised,)),
        "page called a file, once": Behaviour("A", (disguised, honest)),
        "JSON once": Behaviour("A", (error, honest)),
        "nothing once": Behaviour("A", (reply(200), honest)),
        "nothing for ever": Behaviour("-", (reply(200),)),
        "200 compressed": Behaviour("-", (reply(200, packed, Content_Encoding="gzip"),)),
        "200 compressed, not called so": Behaviour("-", (reply(200, packed),)),
    }


def _framing(f: Files, honest: Answer, _whole: Answer) -> Mapping[str, Behaviour]:
    size, body = len(f.a), f.a[:1000]
    both = {**CHUNKED, "Content-Length": str(size)}
    twice = OK + b"Content-Length: 1000\r\nContent-Length: 1001\r\n\r\n"
    silent: Callable[..., Behaviour] = lambda *steps: Behaviour("A", (raw(*steps, Act.STALL), honest))  # noqa: E731 - a column of the table
    return {
        "chunked without end": Behaviour("A", (sends(f.a, CHUNKED),), {**CHUNKED, **STRONG}),
        "longer than announced": Behaviour("?", (sends(f.a, behind=(b"more" * 9,)),)),
        "shorter than announced": Behaviour("-", (sends(f.a, upto=size - 2),)),
        "shorter than announced, once": Behaviour("A", (sends(f.a, upto=size // 2), honest)),
        "reset in the middle, once": Behaviour(
            "A", (sends(f.a, upto=size // 2, behind=(Act.RESET,)), honest)
        ),
        "one byte now and then, once": Behaviour("A", (paced(honest, 1), honest)),
        "negative length": Behaviour("-", (sends(f.a, {"Content-Length": "-1"}),)),
        "two lengths": Behaviour("-", (raw(twice, body),)),
        "length and chunks": Behaviour("-", (sends(f.a, both),)),
        "longer than any disk": Behaviour("-", (sends(f.c, {"Content-Length": f"{2**63 + 9}"}),)),
        "a header of 64 KiB": Behaviour("A", (sends(f.a, {"X": "x" * 65_000}),)),
        "a header of 128 KiB": Behaviour("-", (sends(f.a, {"X": "x" * 2**17}),)),
        "10,000 headers": Behaviour("-", (sends(f.a, {f"X-{n}": "x" for n in range(10_000)}),)),
        "no HTTP": Behaviour("-", (raw(b"\x16\x03\x01 canary \r\n\r\n"),)),
        "no answer": Behaviour("-", (raw(),)),
        "silent before the headers end, once": silent(OK),
        "silent after the headers, once": silent(head(200, {"Content-Length": size})),
        "one byte and silence, once": silent(head(200, {"Content-Length": size}), f.a[:1]),
    }

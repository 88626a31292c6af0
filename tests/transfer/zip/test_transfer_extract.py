"""Extraction: whole, durable, beside the zip; nothing leads out of its folder, nothing foreign is touched."""

import io
import os
import stat
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.transfer.transfer_kit import PART, sample_zip

from orderwatch import fsync
from orderwatch.core.deliveries.paths import folder_beside
from orderwatch.errors import BadBytesError, DiskError, LostBytesError, NotExtractedError
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.zip import extract as extracting
from orderwatch.transfer.zip.extract import extract, needed

NAME = "Harbour/23272/scene.zip"
FOLDER = "Harbour/23272/scene"
SAMPLE = sample_zip(1, 5000)
OTHER = sample_zip(2, 5000)


def zipped(*members: tuple[str, bytes] | tuple[str, bytes, int], system: int = 3) -> bytes:
    """With names that zipfile would not write."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, *mode in members:
            info = zipfile.ZipInfo(name)
            info.filename = info.orig_filename = name
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr, info.create_system = mode[0] << 16 if mode else 0, system
            archive.writestr(info, data)
    return made.getvalue()


def contents_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


class Yard:
    """A zip under its name, and a folder to work in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.zip, self.folder = root / NAME, root / FOLDER
        self.work = root / ".orderwatch" / "extract" / "some"
        self.written = 0
        self.stop = threading.Event()
        self.zip.parent.mkdir(parents=True)

    def extract(self, data: bytes | None = None) -> str:
        if data is not None:
            self.zip.write_bytes(data)
        final, _ = extract(self.zip, self.work, self.folder, self.wrote, self.stop)
        return final.relative_to(self.root).as_posix()

    def needed(self) -> int:
        return needed(self.zip, self.folder, self.stop)

    def wrote(self, size: int) -> None:
        self.written += size

    def refuse(self, data: bytes, words: str) -> None:
        """Before a single byte is written, and nothing is left over."""
        with pytest.raises(NotExtractedError, match=words) as caught:
            self.extract(data)
        with pytest.raises(NotExtractedError, match=words):
            self.needed()
        assert str(caught.value).isprintable()
        assert self.written == 0
        assert self.everything == {NAME}

    @property
    def everything(self) -> set[str]:
        return {
            path.relative_to(self.root).as_posix()
            for path in self.root.rglob("*")
            if path.is_file() or path.is_symlink() or path.parent == self.zip.parent
        }


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    yield Yard(tmp_path / "root")
    assert [path.name for path in tmp_path.iterdir()] == ["root"], "something was written outside"


# What is extracted


def test_members_become_files_in_a_folder_beside_the_zip(yard: Yard) -> None:
    assert yard.extract(SAMPLE) == FOLDER
    assert tree(yard.folder) == contents_of(SAMPLE)
    assert yard.written == sum(map(len, contents_of(SAMPLE).values()))
    assert not yard.work.exists()
    assert yard.zip.read_bytes() == SAMPLE


def test_folders_without_files_are_made_and_meaningless_dots_are_left_out(yard: Yard) -> None:
    yard.extract(
        zipped(("empty/", b""), ("./a//b/./c.txt", b"c"), ("./", b""), ("a/", b""), (".hidden", b"h"))
    )
    assert tree(yard.folder) == {"a/b/c.txt": b"c", ".hidden": b"h"}
    assert (yard.folder / "empty").is_dir()


@pytest.mark.parametrize(
    "name",
    ["ñandú/año.txt", "2021-07-14T07:40:44.tif", "a b (1)+[x]&~#.tif", "...a", "-rf", "~", "$HOME", "...",
     "a\xa0b.tif", "\u3000", "zero\u200cwidth", "soft\xadhyphen", "\U0001fae9", "\ue000", "a/aux.xml",
     "CON", "a/nul.txt", "com1/x", "trailing.", "trailing ", "a. /b", " /b", "e\u0301", "x" * 255],
)  # fmt: skip
def test_names_are_kept_as_they_are(yard: Yard, name: str) -> None:
    """The files of a delivery refer to each other by name."""
    yard.extract(zipped((name, b"x")))
    assert tree(yard.folder) == {name: b"x"}


def test_permissions_come_from_the_umask_and_not_from_the_zip(yard: Yard) -> None:
    before = os.umask(0o027)
    try:
        yard.extract(zipped(("a/", b"", 0o042777), ("a/b", b"x", 0o104777), ("c", b"x", 0o100000)))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in yard.folder.rglob("*")}
    assert modes == {"a": 0o750, "b": 0o640, "c": 0o640}
    assert stat.S_IMODE(yard.folder.stat().st_mode) == 0o750


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("a/X.zip", "a/X"),
        ("X.v2.zip", "X.v2"),
        ("a/X.ZIP", "a/X"),
        ("a/X-2.zip", "a/X-2"),
        ("a/X. .zip", "a/X"),
        ("a/X.tar", "a/X.tar-extracted"),
        ("a/..zip", "a/..zip-extracted"),
        ("zip", "zip-extracted"),
    ],
)
def test_the_folder_is_named_like_the_zip(path: str, folder: str) -> None:
    assert folder_beside(path) == folder


# What is not


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "a/..", "..", "/x", "//x", "/etc/passwd", "..\\x", "a\\..\\..\\x", "\\x", "a\\b",
     "C:x", "c:/x", "C:\\x", "\\\\host\\share\\x", "x\0.txt", "a\nb", "a\x1b[2Jb", "a/\u202ecod.exe",
     "a\u2066b", "a\x7fb", "a\x85b", "a\u2028b", "/", ".", "x" * 256,
     "é" * 128, "a/" * 500 + "b", "/".join(["abcdefgh"] * 33)],
)  # fmt: skip
def test_a_name_that_leads_out_or_is_no_plain_name_refuses_the_whole_zip(yard: Yard, name: str) -> None:
    yard.refuse(zipped(("good.txt", b"good"), (name, b"evil" if not name.endswith("/") else b"")), "name")


@pytest.mark.parametrize("system", [0, 3])
@pytest.mark.parametrize(
    "mode",
    [stat.S_IFLNK | 0o777, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR | 0o755],
    ids=["link", "character device", "block device", "socket", "folder that is a file"],
)  # fmt: skip
def test_what_is_no_plain_file_refuses_the_whole_zip(yard: Yard, mode: int, system: int) -> None:
    evil = zipped(("good.txt", b"good"), ("evil", b"/etc/passwd", mode), system=system)
    yard.refuse(evil, "neither a regular file nor a folder")


def test_a_folder_that_is_a_link_or_has_content_refuses_the_whole_zip(yard: Yard) -> None:
    yard.refuse(zipped(("evil/", b"", stat.S_IFLNK | 0o777), ("evil/x", b"x")), "neither")
    yard.refuse(zipped(("evil/", b"content")), "neither")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "names",
    [("a", "a"), ("a", "a/x"), ("a/x", "a"), ("a", "a/"), ("a/", "a"), ("a/b", "a//b"), ("a", "./a")],
)  # fmt: skip
def test_two_members_that_would_be_one_refuse_the_whole_zip(yard: Yard, names: tuple[str, str]) -> None:
    members = [(name, b"" if name.endswith("/") else name.encode()) for name in names]
    yard.refuse(zipped(*members), "collides with another")


TWINS = [("a", "A"), ("a/x", "A/y"), ("straße", "STRASSE"), ("n\u0303", "\xf1"), ("A/z", "a/x")]


@pytest.mark.parametrize("names", TWINS)
def test_names_that_differ_for_linux_are_different_files(yard: Yard, names: tuple[str, str]) -> None:
    yard.extract(zipped(*[(name, name.encode()) for name in names]))
    assert tree(yard.folder) == {name: name.encode() for name in names}


@pytest.mark.parametrize(("first", "twin"), TWINS)
def test_a_file_system_that_equates_two_names_refuses_the_whole_zip(
    yard: Yard, first: str, twin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the second name as soon as the first one is made."""
    taken = yard.work / Path(twin).parts[0]
    made = Path.mkdir

    def mkdir(path: Path, mode: int = 0o777, **options: bool) -> None:
        made(path, mode, **options)
        if path == yard.work:
            (made if "/" in twin else Path.touch)(taken)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(NotExtractedError, match=f"'{taken.name}' is the name of another member"):
        yard.extract(zipped(*[(name, name.encode()) for name in (first, twin)]))
    assert yard.everything == {NAME}


def test_a_bomb_is_refused_by_what_it_claims(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped(("zeros", bytes(2**20)))
    monkeypatch.setattr(extracting, "_ALWAYS_ALLOWED_BYTES", 2**20)
    assert yard.extract(bomb) == FOLDER
    monkeypatch.setattr(extracting, "_ALWAYS_ALLOWED_BYTES", 2**20 - 1)
    with pytest.raises(NotExtractedError, match="above the limit"):
        yard.extract(bomb)


def test_a_bomb_that_lies_is_stopped_at_what_it_said(yard: Yard) -> None:
    bomb = bytearray(zipped(("zeros", bytes(2**24))))
    struct.pack_into("<I", bomb, 22, 1000)
    struct.pack_into("<I", bomb, bomb.index(b"PK\x01\x02") + 24, 1000)
    with pytest.raises(BadBytesError):
        yard.extract(bytes(bomb))
    assert yard.written <= 1000
    assert yard.everything == {NAME}


def test_more_than_ten_thousand_members_are_extracted(yard: Yard) -> None:
    yard.zip.write_bytes(zipped(*[(f"{number}/x", b"x") for number in range(10_001)]))
    assert yard.needed() == 10_001


def test_too_many_folders_are_refused(yard: Yard) -> None:
    deep = "/".join("abcdefghijklmnopqrstuvwxyz12345")
    yard.refuse(zipped(*[(f"{number}/{deep}", b"") for number in range(3300)]), "needs more than")


def test_a_name_that_the_file_system_does_not_take_refuses_the_whole_zip(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderwatch.transfer.zip.plan._MAX_NAME_BYTES", 500)
    yard.zip.write_bytes(zipped(("good", b"x"), ("x" * 300, b"x")))
    with pytest.raises(NotExtractedError, match="rejects a name"):
        yard.extract()
    assert yard.everything == {NAME}


# Names that are taken


def foreign_file(folder: Path) -> None:
    folder.write_bytes(b"mine")


def foreign_folder(folder: Path) -> None:
    folder.mkdir()
    (folder / "mine.txt").write_bytes(b"mine")


def empty_folder(folder: Path) -> None:
    folder.mkdir()


def dangling_link(folder: Path) -> None:
    folder.symlink_to(folder.with_name("nowhere"))


def link_to_a_folder(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to(folder.parent / "elsewhere")


def our_folder(folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(SAMPLE)) as archive:
        archive.extractall(folder)


def one_more_file(folder: Path) -> None:
    our_folder(folder)
    (folder / "scene" / "notes.txt").write_bytes(b"mine")


def one_more_folder(folder: Path) -> None:
    our_folder(folder)
    (folder / "mine").mkdir()


def one_file_less(folder: Path) -> None:
    our_folder(folder)
    (folder / "scene" / "readme.txt").unlink()


def other_content(folder: Path) -> None:
    our_folder(folder)
    path = folder / "scene" / "raster.tif"
    path.write_bytes(bytes(path.stat().st_size))


def a_link_in_it(folder: Path) -> None:
    our_folder(folder)
    path = folder / "scene" / "raster.tif"
    path.rename(folder.parent / "raster.tif")
    path.symlink_to(folder.parent / "raster.tif")


@pytest.mark.parametrize(
    "foreign",
    [foreign_file, foreign_folder, empty_folder, dangling_link, link_to_a_folder, one_more_file,
     one_more_folder, one_file_less, other_content, a_link_in_it],
)  # fmt: skip
def test_what_stands_under_the_name_is_never_touched(yard: Yard, foreign: Callable[[Path], None]) -> None:
    foreign(yard.folder)
    before = {path: path.lstat().st_mtime_ns for path in yard.root.rglob("*")}
    assert yard.extract(SAMPLE) == f"{FOLDER}-2"
    assert tree(yard.root / f"{FOLDER}-2") == contents_of(SAMPLE)
    after = {path: path.lstat().st_mtime_ns for path in before}
    del before[yard.zip.parent], after[yard.zip.parent]
    assert after == before
    assert yard.extract() == f"{FOLDER}-2"
    assert yard.needed() == 0


def test_a_folder_that_holds_the_very_members_counts(yard: Yard) -> None:
    """A crash fell between its name and the row."""
    our_folder(yard.folder)
    yard.zip.write_bytes(SAMPLE)
    assert yard.needed() == 0
    assert yard.extract() == FOLDER
    assert yard.written == 0
    assert sorted(path.name for path in yard.zip.parent.iterdir()) == ["scene", "scene.zip"]


def test_a_name_that_is_taken_in_the_last_moment_makes_us_take_another(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = fsync.sync

    def late(path: Path) -> None:
        if path == yard.work:
            foreign_folder(yard.folder)
        sync(path)

    monkeypatch.setattr(extracting, "sync", late)
    assert yard.extract(SAMPLE) == f"{FOLDER}-2"
    assert tree(yard.folder) == {"mine.txt": b"mine"}


# Crashes, stops and disks


def test_what_a_crash_left_half_way_is_made_anew(yard: Yard) -> None:
    (yard.work / "scene").mkdir(parents=True)
    (yard.work / "scene" / "raster.tif").write_bytes(b"half")
    (yard.work / "stale.txt").write_bytes(b"of another time")
    assert yard.extract(SAMPLE) == FOLDER
    assert tree(yard.folder) == contents_of(SAMPLE)


def test_everything_is_durable_before_it_has_its_name(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = fsync.sync

    def watched(path: Path) -> None:
        synced.append(path.relative_to(yard.root).as_posix())
        assert yard.folder.exists() == (path == yard.folder.parent)
        sync(path)

    monkeypatch.setattr(extracting, "sync", watched)
    yard.extract(SAMPLE)
    work = yard.work.relative_to(yard.root).as_posix()
    files = [f"{work}/{name}" for name in contents_of(SAMPLE)]
    assert synced == [*files, f"{work}/scene", work, "Harbour/23272"]


@pytest.mark.parametrize("after", [0, 1, 2])
def test_it_ends_soon_after_it_is_told_to_and_leaves_nothing(yard: Yard, after: int) -> None:
    written = []

    def wrote(size: int) -> None:
        written.append(size)
        if len(written) == after:
            yard.stop.set()

    yard.zip.write_bytes(zipped(*[(f"{number}", bytes(2**20)) for number in range(5)]))
    if not after:
        yard.stop.set()
    with pytest.raises(InterruptedError):
        extract(yard.zip, yard.work, yard.folder, wrote, yard.stop)
    assert len(written) == after
    assert yard.everything == {NAME}


@pytest.mark.parametrize("name", ["{}", "{}/"], ids=["files", "folders"])
def test_members_without_content_are_not_made_after_a_stop(
    yard: Yard, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extracting, "_make_durable", lambda *_: pytest.fail("all of them were made"))
    yard.zip.write_bytes(zipped(*[(name.format(number), b"") for number in range(5)]))
    yard.stop.set()
    with pytest.raises(InterruptedError):
        yard.extract()
    assert yard.everything == {NAME}


def test_a_disk_that_is_full_leaves_nothing(tiny_disk: Path) -> None:
    yard = Yard(tiny_disk / "root")
    yard.zip.write_bytes(zipped(("a", b"x"), ("zeros", bytes(300_000))))
    with pytest.raises(OSError, match="No space"):
        yard.extract()
    assert yard.everything == {NAME}


# The destination's part


@pytest.fixture
async def destination(tmp_path: Path) -> FilesystemDestination:
    made = FilesystemDestination(tmp_path / "root")
    await made.prepare()
    (tmp_path / "root" / NAME).parent.mkdir(parents=True)
    return made


async def test_the_destination_extracts_the_partial_or_what_has_its_name(
    destination: FilesystemDestination, tmp_path: Path
) -> None:
    """A reader may have moved the file already; of two, the partial is what was verified."""
    told: list[int] = []
    with pytest.raises(LostBytesError):
        await destination.extract(PART, NAME, told.append)
    (tmp_path / "root" / NAME).write_bytes(OTHER)
    assert await destination.extract(PART, NAME, told.append) == (FOLDER, 3)
    (destination.partials / PART).write_bytes(SAMPLE)
    assert await destination.needed(PART, NAME) == sum(map(len, contents_of(SAMPLE).values()))
    assert await destination.extract(PART, NAME, told.append) == (f"{FOLDER}-2", 3)
    assert tree(tmp_path / "root" / FOLDER) == contents_of(OTHER)


async def test_an_error_of_the_disk_is_one_of_ours(
    destination: FilesystemDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    (destination.partials / PART).write_bytes(SAMPLE)
    monkeypatch.setattr(extracting, "sync", full)
    with pytest.raises(DiskError, match="No space left"):
        await destination.extract(PART, NAME, lambda _size: None)


async def test_a_start_sweeps_what_was_extracted_half_way(
    destination: FilesystemDestination, tmp_path: Path
) -> None:
    half = tmp_path / "root" / ".orderwatch" / "extract" / "some"
    half.mkdir(parents=True)
    (half / "raster.tif").write_bytes(b"half")
    assert await destination.sweep(set()) == 1
    assert not half.exists()
    assert await destination.sweep(set()) == 0

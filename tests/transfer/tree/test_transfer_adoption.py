"""A claim continues what former claims left, and never writes into a file that another host may have open."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from orderwatch.core.deliveries.partial_name import fence_of, partial_name, stem_of
from orderwatch.core.model import Delivery
from orderwatch.errors import DiskError, LostLeaseError
from orderwatch.transfer.partial_file import control_file, open_partial
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.zip.verify import digest

BYTES = bytes(range(256)) * 400


def a_claim(fence: int, **fields: object) -> Delivery:
    delivery = Delivery(
        account="main", order_id="1", task_id=1, capture_id="c", scene_id="s", attachment="preview",
        file_name="s.png", fingerprint="s, first",
    )  # fmt: skip
    return replace(delivery, fence=fence, **fields)  # type: ignore[arg-type]  # by name


@pytest.fixture
async def shared(tmp_path: Path) -> FilesystemDestination:
    """The tree as one of several hosts sees it."""
    destination = FilesystemDestination(tmp_path, shared_as="b")
    await destination.prepare()
    return destination


@pytest.fixture
async def alone(tmp_path: Path) -> FilesystemDestination:
    """The tree of the only host."""
    destination = FilesystemDestination(tmp_path)
    await destination.prepare()
    return destination


def left_by(destination: FilesystemDestination, delivery: Delivery, content: bytes = BYTES) -> Path:
    part = destination.partials / partial_name(delivery)
    part.write_bytes(content)
    return part


def names(destination: FilesystemDestination) -> list[str]:
    return sorted(path.name for path in destination.partials.iterdir())


def test_the_name_of_a_partial_has_the_fence_of_its_claim() -> None:
    plain, fenced = partial_name(a_claim(0)), partial_name(a_claim(12))
    assert (stem_of(fenced), fence_of(fenced), fence_of(plain)) == (stem_of(plain), 12, 0)
    assert fence_of(control_file(Path(fenced)).name) == 12


async def test_another_hosts_durable_bytes_are_copied_into_a_file_of_this_claim(
    shared: FilesystemDestination,
) -> None:
    former = left_by(shared, a_claim(1))
    number = former.stat().st_ino
    await shared.adopt(partial_name(now := a_claim(2, durable=70_000)), now)
    [part] = shared.partials.iterdir()
    assert part.name == partial_name(now)
    assert part.stat().st_ino != number
    assert part.read_bytes() == BYTES[:70_000]


async def test_a_stopped_writer_that_goes_on_changes_neither_the_partial_nor_the_published_file(
    shared: FilesystemDestination, tmp_path: Path
) -> None:
    """The other host verifies and publishes meanwhile; then the first one writes what it had in hand."""
    first, then = a_claim(1), a_claim(2, durable=len(BYTES))
    async with open_partial(shared.partials / partial_name(first), 0) as stopped:
        block = stopped.block(0)
        block.add(BYTES)
        stopped.write(block)
        await stopped.sync()
        await shared.adopt(part := partial_name(then), then)
        async with open_partial(shared.partials / part, len(BYTES)):
            pass
        checked = await shared.verify(part, then)
        assert await shared.publish(part, "s.png", b"{}", checked)
        await shared.discard(part)
        for at in (0, 50_000, len(BYTES)):
            block = stopped.block(at)
            block.add(b"\0" * 5000)
            stopped.write(block)
        await stopped.sync()
        await stopped.restart()
    assert (tmp_path / "s.png").read_bytes() == BYTES
    assert digest(tmp_path / "s.png") == checked.sha256


async def test_a_writer_that_lost_its_claim_cannot_publish_what_was_taken_over(
    shared: FilesystemDestination, tmp_path: Path
) -> None:
    left_by(shared, first := a_claim(1))
    checked = await shared.verify(partial_name(first), first)
    with pytest.raises(LostLeaseError):
        await shared.publish(partial_name(first), "s.png", b"{}", checked, may_act=lambda: False)
    assert not (tmp_path / "s.png").exists()
    assert not (tmp_path / "s.png.json").exists()


async def test_a_process_continues_its_own_partial_without_a_copy(shared: FilesystemDestination) -> None:
    former = left_by(shared, first := a_claim(1))
    number = former.stat().st_ino
    shared.leave(partial_name(first))
    await shared.adopt(partial_name(now := a_claim(2, durable=10)), now)
    assert [(p.name, p.stat().st_ino) for p in shared.partials.iterdir()] == [(partial_name(now), number)]


async def test_the_only_host_continues_a_killed_process_without_a_copy(alone: FilesystemDestination) -> None:
    former = left_by(alone, a_claim(3))
    control_file(former).write_text("{}")
    number = former.stat().st_ino
    await alone.adopt(partial_name(now := a_claim(5, durable=10)), now)
    part = alone.partials / partial_name(now)
    assert names(alone) == sorted([part.name, control_file(part).name])
    assert part.stat().st_ino == number


@pytest.mark.parametrize("fence", [1, 4])
async def test_a_partial_of_an_older_version_is_continued(alone: FilesystemDestination, fence: int) -> None:
    """It has no fence in its name."""
    left_by(alone, a_claim(0))
    await alone.adopt(partial_name(now := a_claim(fence, durable=10)), now)
    assert names(alone) == [partial_name(now)]


async def test_of_several_former_claims_the_last_is_continued_and_none_is_left(
    shared: FilesystemDestination,
) -> None:
    for fence, content in ((1, b"old"), (10, BYTES), (9, b"older")):
        left_by(shared, a_claim(fence), content)
    await shared.adopt(partial_name(now := a_claim(12, durable=100)), now)
    assert names(shared) == [partial_name(now)]
    assert (shared.partials / partial_name(now)).read_bytes() == BYTES[:100]


async def test_no_claim_touches_the_partial_of_a_later_one(shared: FilesystemDestination) -> None:
    later = left_by(shared, a_claim(7))
    await shared.adopt(partial_name(now := a_claim(5, durable=100)), now)
    assert names(shared) == [later.name]
    assert later.read_bytes() == BYTES


async def test_a_verified_partial_is_taken_over_whole_with_its_second_name(
    shared: FilesystemDestination, tmp_path: Path
) -> None:
    """Its second name shows that it was published, even if a reader has moved the file."""
    former = left_by(shared, a_claim(1))
    os.link(former, tmp_path / "moved.png")
    now = a_claim(2, durable=5, size=len(BYTES), sha256=digest(former))
    await shared.adopt(part := partial_name(now), now)
    checked = await shared.verify(part, now)
    assert await shared.publish(part, "s.png", b"{}", checked, resumed=True)
    assert not (tmp_path / "s.png").exists()


async def test_a_second_link_that_replaces_a_file_makes_the_tree_unusable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replacing(source: Path, target: Path, **_: object) -> None:
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(os, "link", replacing)
    with pytest.raises(DiskError, match="replace"):
        await FilesystemDestination(tmp_path).prepare()


async def test_hosts_that_mark_the_tree_at_the_same_time_agree(tmp_path: Path) -> None:
    hosts = [FilesystemDestination(tmp_path, shared_as=name) for name in "abc"]
    for host in hosts:
        await host.prepare()
    assert len({await host.mark() for host in hosts}) == 1

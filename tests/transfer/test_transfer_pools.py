"""What is given back is used again, by any thread, and no more of it is kept than was agreed."""

from orderwatch.transfer.pools import Pool


def test_what_is_given_back_is_used_again_and_what_is_too_much_is_dropped() -> None:
    dropped: list[object] = []
    pool = Pool(object, dropped.append, max_idle=2)
    things = [pool.take() for _ in range(3)]
    for thing in things:
        pool.give(thing)
    assert dropped == things[2:]
    assert [pool.take(), pool.take()] == [things[1], things[0]]
    assert pool.take() not in things


def test_a_cleared_pool_has_dropped_what_was_idle() -> None:
    dropped: list[object] = []
    pool = Pool(object, dropped.append)
    thing = pool.take()
    pool.give(thing)
    pool.clear()
    assert dropped == [thing]
    assert pool.take() is not thing

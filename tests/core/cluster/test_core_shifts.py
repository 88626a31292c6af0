"""How the hosts share accounts, channels and maintenance."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.cluster.shifts import (
    CATALOG,
    KEEPER,
    account_shift,
    accounts_of,
    channel_shift,
    rebalance,
    shifts_of,
)

FOUR = frozenset(map(account_shift, "abcd"))


def test_the_only_host_takes_everything() -> None:
    everything = shifts_of(["a", "b"], ["hook"])
    moves = rebalance("one", {"one": everything}, {})
    assert moves.take == everything == {KEEPER, CATALOG, "account/a", "account/b", channel_shift("hook")}
    assert not moves.give


def test_a_host_that_joins_gets_its_part_from_the_one_that_has_most() -> None:
    held = dict.fromkeys(FOUR, "one")
    hosts = {"one": FOUR, "two": FOUR}
    assert rebalance("two", hosts, held).take == frozenset()
    given_up = rebalance("one", hosts, held).give
    assert len(given_up) == 2
    assert set(given_up.values()) == {"two"}


def test_shifts_of_a_host_that_died_are_taken_within_equal_parts() -> None:
    held = {"account/a": "one", "account/b": "two"}
    hosts = {"one": FOUR, "two": FOUR}
    assert rebalance("one", hosts, held).take == {"account/c"}


def test_an_account_that_only_a_full_host_has_in_its_configuration_is_taken_all_the_same() -> None:
    held = {"account/a": "one", "account/b": "one"}
    hosts = {"one": FOUR, "two": frozenset({"account/a"})}
    assert rebalance("one", hosts, held).take == {"account/c", "account/d"}


def test_an_account_is_never_given_to_a_host_without_it_in_its_configuration() -> None:
    held = dict.fromkeys(FOUR, "one")
    assert rebalance("one", {"one": FOUR, "two": frozenset({"account/d"})}, held).give == {"account/d": "two"}


def test_a_command_that_visits_gets_no_shift() -> None:
    everything = shifts_of(["a"], ["hook"])
    hosts = {"one": everything, "command": shifts_of([], [])}
    assert rebalance("one", hosts, {}).take == everything
    assert rebalance("one", hosts, dict.fromkeys(everything, "one")) == (frozenset(), {})


def test_an_account_that_a_reload_removed_is_given_up() -> None:
    moves = rebalance("one", {"one": frozenset({"account/a"})}, {"account/a": "one", "account/b": "one"})
    assert moves.give == {"account/b": None}


def test_the_accounts_of_a_host_are_named_without_its_other_shifts() -> None:
    assert accounts_of(["account/b", KEEPER, "channel/a", "account/a"]) == ["a", "b"]


_NAMES = [account_shift(name) for name in "abcdefg"] + [channel_shift(n) for n in "xyz"] + [KEEPER, CATALOG]


@given(
    hosts=st.dictionaries(st.sampled_from("12345"), st.frozensets(st.sampled_from(_NAMES)), min_size=1),
    held=st.dictionaries(st.sampled_from(_NAMES), st.sampled_from("12345")),
    beats=st.randoms(use_true_random=False),
)
def test_after_some_beats_in_any_order_every_shift_has_one_holder_and_nothing_moves_any_more(
    hosts: dict[str, frozenset[str]], held: dict[str, str], beats: random.Random
) -> None:
    held = {name: host for name, host in held.items() if host in hosts}
    for _ in range(12):
        for me in beats.sample(sorted(hosts), len(hosts)):
            moves = rebalance(me, hosts, held)
            after = {**held, **dict.fromkeys(moves.take, me), **moves.give}
            held = {name: host for name, host in after.items() if host is not None}
    assert held.keys() == frozenset().union(*hosts.values())
    assert all(name in hosts[host] for name, host in held.items())
    assert all(rebalance(me, hosts, held) == (frozenset(), {}) for me in hosts)


@given(hosts=st.integers(1, 6), accounts=st.integers(0, 20), dead=st.integers(0, 3))
def test_hosts_with_the_same_configuration_differ_by_at_most_one_account(
    hosts: int, accounts: int, dead: int
) -> None:
    shared = shifts_of(map(str, range(accounts)), [])
    live = [f"h{i}" for i in range(hosts)]
    held = {name: live[0] for i, name in enumerate(sorted(shared)) if i >= dead}
    for _ in range(4):
        for me in live:
            moves = rebalance(me, dict.fromkeys(live, shared), held)
            held |= dict.fromkeys(moves.take, me)
            held |= {name: host for name, host in moves.give.items() if host is not None}
    load = Counter(dict.fromkeys(live, 0))
    load.update(host for name, host in held.items() if name.startswith("account/"))
    assert sum(load.values()) == accounts
    assert max(load.values()) - min(load.values()) <= 1

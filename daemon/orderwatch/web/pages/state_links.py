"""The filters by state above the table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from orderwatch.core.model import OrderState
from orderwatch.ports.queries import Search, Sort
from orderwatch.web.pages.search_params import link_of


class StateLink(NamedTuple):
    """A filter; `number` is how many orders have the state, None if it is not counted."""

    label: str
    number: int | None
    link: str
    chosen: bool


def state_links(
    search: Search, columns: Sequence[Sort], counts: Mapping[OrderState, int], *, needing: bool
) -> Sequence[StateLink]:
    """Returns a link for all orders, for each state that some have, and for those that need a person."""

    def link(label: str, number: int | None, filtered: Search) -> StateLink:
        return StateLink(label, number, link_of(filtered, columns=columns), filtered == every_page)

    every_page = replace(search, offset=0)
    everything = replace(every_page, state=None, attention=False)
    found = [link("all", None, everything)]
    found += [
        link(state, counts.get(state, 0), replace(everything, state=state))
        for state in OrderState
        if counts.get(state) or state is search.state
    ]
    if needing or search.attention:
        found.append(link("needs you", None, replace(everything, attention=True)))
    return found

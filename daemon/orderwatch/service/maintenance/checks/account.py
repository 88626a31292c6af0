"""Whether the provider takes us, and whether its clock and ours agree."""

from collections.abc import Awaitable, Callable

from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.errors import AnswerError, ProviderError, RefusedError
from orderwatch.service.maintenance.checks.finding import Finding, Named

_SKEW = 30.0  # seconds of clock difference that an operator should know of
_LATER = "try again later; is the network up, and the endpoint right?"

_ODD = "is the endpoint right? a gateway before it may spoil its answers"


class Credentials(Named):
    """`ask` gets a token; it raises `ProviderError`."""

    def __init__(self, account: str, ask: Callable[[], Awaitable[object]]) -> None:
        super().__init__(f"credentials of {account}")
        self._ask = ask
        self.accepted = False

    async def run(self) -> Finding:
        self.accepted = False
        try:
            await self._ask()
        except RefusedError as error:
            return self.bad(
                str(error), "ask the provider for new ones if these are what you were given", refused=True
            )
        except ProviderError as error:
            return self.bad(str(error), _LATER)
        self.accepted = True
        return self.found("accepted")


class Contract(Named):
    """After the credentials. `ask` uses the contract; it returns how far our clock is ahead, in seconds."""

    def __init__(
        self, account: str, credentials: Credentials, ask: Callable[[], Awaitable[float | None]]
    ) -> None:
        super().__init__(f"contract of {account}")
        self._credentials = credentials
        self._ask = ask
        self.ahead: float | None = None  # None where it is not known

    async def run(self) -> Finding | None:
        self.ahead = None
        if not self._credentials.accepted:
            return None
        try:
            self.ahead = await self._ask()
        except RefusedError as error:
            return self.bad(str(error), "`orderwatch contracts` lists what may be used", refused=True)
        except AnswerError as error:
            return self.bad(str(error), _ODD)
        except ProviderError as error:
            return self.bad(str(error), _LATER)
        return self.found("accepted")


class Access(Named):
    """What the daemon knows of an account, which asks all the time; `trouble` is None where all is well."""

    def __init__(self, account: str, trouble: Callable[[], OpenCircuit | None]) -> None:
        super().__init__(f"account {account}")
        self._trouble = trouble

    async def run(self) -> Finding:
        trouble = self._trouble()
        if trouble is None:
            return self.found("credentials and contract are accepted")
        return self.bad(trouble.reason, "run: orderwatch check --online", refused=trouble.refused)


class Skew(Named):
    """`ahead` is how far this host's clock is before the provider's, in seconds; None where nobody knows."""

    def __init__(self, against: str, ahead: Callable[[], float | None]) -> None:
        super().__init__(f"clock against {against}")
        self._ahead = ahead

    async def run(self) -> Finding | None:
        ahead = self._ahead()
        if ahead is None:
            return None
        if abs(ahead) <= _SKEW:
            return self.found(f"{ahead:+.1f} s")
        return self.bad(
            f"{ahead:+.1f} s", "compare this host's clock with a time server (NTP): it is wrong, or theirs is"
        )

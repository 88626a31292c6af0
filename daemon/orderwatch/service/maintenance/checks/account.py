"""Checks credentials and contract of an account, and compares the clocks."""

from collections.abc import Awaitable, Callable

from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.errors import AnswerError, MissingError, ProviderError, RefusedError
from orderwatch.service.maintenance.checks.finding import CheckResult, NamedCheck

_MAX_SKEW_SECONDS = 30.0
_RETRY_ADVICE = "try again later; check the network and the endpoint"

_CONTRACTS_ADVICE = "`orderwatch contracts` lists the contracts you can use"
_ENDPOINT_ADVICE = "check the endpoint; a gateway before it may alter responses"


class CredentialsCheck(NamedCheck):
    """Checks the credentials. `request` requests a token, or raises `ProviderError`."""

    def __init__(self, account: str, request: Callable[[], Awaitable[object]]) -> None:
        super().__init__(f"credentials of {account}")
        self._request = request
        self.accepted = False

    async def run(self) -> CheckResult:
        self.accepted = False
        try:
            await self._request()
        except RefusedError as error:
            return self.bad(
                str(error),
                "check them for typing errors, or request new ones from the provider",
                refused=True,
            )
        except ProviderError as error:
            return self.bad(str(error), _RETRY_ADVICE)
        self.accepted = True
        return self.found("accepted")


class ContractCheck(NamedCheck):
    """Checks the contract, after the credentials. `request` uses it and returns the clock lead in seconds."""

    def __init__(
        self, account: str, credentials: CredentialsCheck, request: Callable[[], Awaitable[float | None]]
    ) -> None:
        super().__init__(f"contract of {account}")
        self._credentials = credentials
        self._request = request
        self.ahead: float | None = None  # seconds, None if unknown
        self.is_usable = False  # not refused

    async def run(self) -> CheckResult | None:
        self.ahead, self.is_usable = None, self._credentials.accepted
        if not self._credentials.accepted:
            return None
        try:
            self.ahead = await self._request()
        except RefusedError as error:
            self.is_usable = False
            return self.bad(str(error), _CONTRACTS_ADVICE, refused=True)
        except AnswerError as error:
            return self.bad(str(error), _ENDPOINT_ADVICE)
        except ProviderError as error:
            return self.bad(str(error), _RETRY_ADVICE)
        return self.found("accepted")


class DeliveryCheck(NamedCheck):
    """Checks a delivery API, after the contract. `request` uses it and returns what it answers."""

    def __init__(
        self,
        account: str,
        delivery_api: str,
        contract: ContractCheck,
        request: Callable[[str], Awaitable[str]],
    ) -> None:
        super().__init__(f"{delivery_api} of {account}")
        self._delivery_api = delivery_api
        self._contract = contract
        self._request = request

    async def run(self) -> CheckResult | None:
        if not self._contract.is_usable:
            return None
        try:
            return self.found(await self._request(self._delivery_api))
        except RefusedError as error:
            return self.bad(str(error), _CONTRACTS_ADVICE, refused=True)
        except MissingError as error:
            return self.bad(str(error), "choose another `delivery_api`, or correct the endpoint")
        except AnswerError as error:
            return self.bad(str(error), _ENDPOINT_ADVICE)
        except ProviderError as error:
            return self.bad(str(error), _RETRY_ADVICE)


class AccountCheck(NamedCheck):
    """Reports what the daemon knows of an account; `trouble` returns None if all is well."""

    def __init__(self, account: str, trouble: Callable[[], OpenCircuit | None]) -> None:
        super().__init__(f"account {account}")
        self._trouble = trouble

    async def run(self) -> CheckResult:
        trouble = self._trouble()
        if trouble is None:
            return self.found("credentials and contract accepted")
        return self.bad(trouble.reason, "run: orderwatch check --online", refused=trouble.refused)


class ClockSkewCheck(NamedCheck):
    """Compares the clocks; `ahead` returns this host's lead over the provider in seconds, None if unknown."""

    def __init__(self, against: str, ahead: Callable[[], float | None]) -> None:
        super().__init__(f"clock against {against}")
        self._ahead = ahead

    async def run(self) -> CheckResult | None:
        ahead = self._ahead()
        if ahead is None:
            return None
        if abs(ahead) <= _MAX_SKEW_SECONDS:
            return self.found(f"{ahead:+.1f} s")
        return self.bad(
            f"{ahead:+.1f} s",
            "check this host's clock against a time server (NTP); one of the two clocks is wrong",
        )

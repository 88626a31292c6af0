"""Secrets that rotate and contracts that end or come back: each makes a new scenario out of the old."""

from orderwatch.simulator.scenario import Account, Contract, Scenario


def rotated(scenario: Scenario, name: str, client_secret: str) -> Scenario:
    """With another secret for this account; KeyError for one that is not there."""
    if name not in {account.name for account in scenario.accounts}:
        raise KeyError(name)
    accounts = (
        account.model_copy(update={"client_secret": client_secret}) if account.name == name else account
        for account in scenario.accounts
    )
    return scenario.model_copy(update={"accounts": tuple(accounts)})


def amended(scenario: Scenario, contract_id: str, *, status: str | None, tasking: bool | None) -> Scenario:
    """With another status, or another right to task, of this contract; KeyError for one that nobody has."""
    if contract_id not in {c.contract_id for account in scenario.accounts for c in account.contracts}:
        raise KeyError(contract_id)
    given = {"status": status, "tasking": tasking}
    changes = {name: value for name, value in given.items() if value is not None}

    def amend(contract: Contract) -> Contract:
        return contract.model_copy(update=changes) if contract.contract_id == contract_id else contract

    def with_it(account: Account) -> Account:
        return account.model_copy(update={"contracts": tuple(map(amend, account.contracts))})

    return scenario.model_copy(update={"accounts": tuple(map(with_it, scenario.accounts))})

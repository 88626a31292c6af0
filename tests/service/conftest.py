from tests.logs import events

__all__ = ["events"]

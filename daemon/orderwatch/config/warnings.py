"""What a good configuration says that may not be what was meant; silence about it would look like peace."""

from orderwatch.config.settings import Http, Settings
from orderwatch.config.types import is_loopback
from orderwatch.core.listen_address import host_and_port, socket_of


def remarks(settings: Settings) -> list[str]:
    """One line each: the key, what is so, and what to do where something is to be done."""
    found = []
    if settings.order and not settings.ordering.enabled:
        found.append("order: [ordering] enabled is false, so no standing order is placed")
    if _open_to_others(settings.http):
        found.append(
            f"http.listen: whoever reaches {settings.http.listen} may read all orders; "
            f"set [http] token, or listen on loopback"
        )
    return found


def _open_to_others(http: Http) -> bool:
    if not http.listen or socket_of(http.listen) is not None or http.token.get_secret_value():
        return False
    return not is_loopback(host_and_port(http.listen)[0])

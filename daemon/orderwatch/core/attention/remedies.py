"""What a person can do about each concern, in one or two sentences."""

from collections.abc import Mapping

ORDER_FAILED = "Ask the provider why. Place the order again if you still need the image."
LOST = "Check the id and the account. Ask the provider where the order went."
OVERDUE = "Ask the provider whether the order is still being worked on."
UNCONFIRMED = "Do not place it again by hand. Resolve it with `orderwatch place FILE --resume`."
UNKNOWN_STATUS = "Check the order with the provider. orderwatch still downloads its files."

_SEE_LOG = "Read the log, and run `orderwatch check --online`."
_CHECK = "Run `orderwatch check --online`."
_OF_PROBLEMS: Mapping[str, str] = {
    "account.unavailable": f"Check the network and the provider's status page. {_CHECK}",
    "account.refused": f"Check `client_id`, `client_secret` and `contract_id`. {_CHECK}",
    "tree.unusable": (
        "Mount the volume, or make it writable for the daemon's user. For a bucket, check `[s3]`."
    ),
    "tree.damaged": "Run `orderwatch verify --repair`.",
    "catalogue.failing": "Make the folder of the catalog writable for the daemon's user.",
    "clock.wrong": "Set this host's clock (NTP).",
    "clock.differs": "Compare this host's clock with an NTP server. It or the provider's clock is wrong.",
    "attention.failing": "Report it, with the debug line `error.unexpected`.",
    "catalogue.item_failed": "Report it, with the debug line `error.unexpected`. The file is stored.",
    "token.refresh_failed": _CHECK,
    "list.failed": _SEE_LOG,
    "watch.empty": "Check the names and patterns of this `[[watch]]`.",
    "order.look_failed": "Run `orderwatch explain` with the order's id.",
    "delivery_api.gone": (
        'Set `delivery_api = "stac"`, or `["telluric", "stac"]`. If it is the archive that is gone, correct '
        "`endpoints.archive`."
    ),
    "ordering.failed": _SEE_LOG,
    "ordering.hindered": "Correct this `[[order]]` in the configuration.",
    "downloads.failing": "Check that this host can reach the download host.",
    "space.short": "Free disk space, or lower `keep_free` in `[delivery]`.",
    "database.busy": "Stop the other process that locks the database, or free space on its disk.",
    "database.damaged": "Stop the daemon. Then run `orderwatch restore` with a backup.",
    "certificate.ending": "Contact the provider, or the operator of the proxy.",
    "backup.failed": "Free space for backups, or correct `[database]` in the configuration.",
    "config.refused": "Correct the configuration and reload it. `orderwatch check` lists every problem.",
    "http.unavailable": "Choose another `[http] listen`, or stop the process that uses the address.",
    "notify.failing": "Test this `[[notify]]` channel with `orderwatch notify --test`.",
    "host.gone": "Start it. If it is gone for good, run `orderwatch hosts --forget NAME`.",
    "host.differs": "Install the same version and the same configuration on every host, and reload it.",
    "heartbeat.failing": "Check `[heartbeat] url`, and that this host can reach it.",
}


def parked(order_id: str) -> str:
    """Returns what to do about a parked delivery of this order."""
    return (
        "Free disk space, make the delivery tree writable, or ask the provider for the file. "
        f"orderwatch retries automatically, and immediately after `orderwatch retry --task {order_id}`."
    )


def late(order_id: str) -> str:
    """Returns what to do about an order whose published files are not stored."""
    return (
        f"`orderwatch explain {order_id}` shows why each file is missing. Ask the provider for those files."
    )


def given_up(order_id: str) -> str:
    """Returns what to do about a delivery of this order that was given up."""
    return f"Ask the provider for the file. Then run `orderwatch retry --task {order_id}`."


def of_problem(event: str) -> str:
    """Returns what to do about the problem that began with this event."""
    return _OF_PROBLEMS.get(event, _SEE_LOG)

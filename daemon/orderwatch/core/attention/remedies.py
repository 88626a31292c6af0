"""What a person can do about each thing that needs one, in one or two sentences."""

from collections.abc import Mapping

ORDER_FAILED = "Ask the provider why. Place the order again if you still need the image."
LOST = "Check the id and the account. Ask the provider where the order went."
OVERDUE = "Ask the provider whether the order is still being worked on."
UNCONFIRMED = "Do not place it again by hand. Settle it with `orderwatch place FILE --resume`."
UNKNOWN_STATUS = "Look at the order. Files that come with it are fetched all the same."

_SEE_LOG = "Read the log, and run `orderwatch check --online`."
_CHECK = "Run `orderwatch check --online`."
_OF_PROBLEMS: Mapping[str, str] = {
    "account.unavailable": f"Check the network and the provider's status page. {_CHECK}",
    "account.refused": f"Check client_id, client_secret and contract_id. {_CHECK}",
    "tree.unusable": "Mount the volume, or make it writable for the daemon's user.",
    "tree.damaged": "Run `orderwatch verify --repair`.",
    "catalogue.failing": "Make the folder of the catalogue writable for the daemon's user.",
    "clock.wrong": "Set this host's clock (NTP).",
    "clock.differs": "Compare this host's clock with a time server (NTP). It or the provider's is wrong.",
    "attention.failing": "Report it, with the debug line `error.unexpected`.",
    "catalogue.item_failed": "Report it, with the debug line `error.unexpected`. The file is stored.",
    "token.refresh_failed": _CHECK,
    "list.failed": _SEE_LOG,
    "watch.empty": "Check the names and patterns of this [[watch]].",
    "order.look_failed": "Run `orderwatch explain` with the order's id.",
    "ordering.failed": _SEE_LOG,
    "ordering.hindered": "Correct this [[order]] in the configuration.",
    "downloads.failing": "Check that this host can reach the download host.",
    "space.short": "Make room, or lower keep_free in [delivery].",
    "database.busy": "End the other process that holds the database, or make room on its disk.",
    "database.damaged": "Stop the daemon. Then run `orderwatch restore` with a backup.",
    "certificate.ending": "Tell the provider, or whoever runs the proxy.",
    "backup.failed": "Make room for backups, or correct [database] in the configuration.",
    "config.refused": "Correct the configuration, and reload. `orderwatch check` names every mistake.",
    "http.unavailable": "Choose another `[http] listen`, or end the process that uses it.",
    "notify.failing": "Check this [[notify]] channel with `orderwatch notify --test`.",
    "heartbeat.failing": "Check `[heartbeat] url`, and that this host can reach it.",
}


def parked(task_id: int) -> str:
    """Return what to do about a delivery of this order that waits for space or for better bytes."""
    return (
        "Make room, mend the destination, or ask the provider for the file. "
        f"orderwatch tries again by itself, and at once after `orderwatch retry --task {task_id}`."
    )


def late(task_id: int) -> str:
    """Return what to do about an order whose files are published and do not come."""
    return f"`orderwatch explain {task_id}` says what each file waits for. Ask the provider for those files."


def given_up(task_id: int) -> str:
    """Return what to do about a delivery of this order that is not tried any more."""
    return f"Ask the provider for the file. Then run `orderwatch retry --task {task_id}`."


def of_problem(event: str) -> str:
    """Return what to do about the problem that began with this event."""
    return _OF_PROBLEMS.get(event, _SEE_LOG)

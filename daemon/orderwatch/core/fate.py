"""What became of an intent that is not placed, and what to do, in words."""

from orderwatch.core.intent import Intent, IntentState


def fate(intent: Intent, resume: str, trouble: str | None = None) -> str:
    """To be said behind its name; `resume` is what to run to settle it, `trouble` why the search failed."""
    failed = f" (searching for it failed: {trouble})" if trouble else ""
    match intent.state:
        case IntentState.REFUSED:
            return f"was refused, nothing was ordered: {intent.reason}"
        case IntentState.UNSENT:
            return f"could not be sent, nothing was ordered: {intent.reason}"
        case IntentState.ABSENT:
            lacking = f"was sent, but surely not taken: two whole lists of the provider's lack it{failed}"
            return f"{lacking}; {resume} to send it once more"
        case IntentState.FORGOTTEN:
            return "may have been placed or not, and was told to be forgotten"
        case IntentState.SENDING:
            return f"is being sent, or was when orderwatch ended{failed}; {resume} to find out"
        case _:
            doubt = f"may have been placed or not, and is not sent again: {intent.reason}{failed}"
            return f"{doubt}; {resume} to find out, and to send it once more if it surely was not taken"


def resume_later(intent: Intent) -> str:
    """For who does not know the command that it came from."""
    if intent.standing:
        return "copy its [[order]] to a file and run `orderwatch place FILE --resume`"
    return f"run `orderwatch place FILE --resume` with its file ({intent.act.source})"

"""Which addresses are taken is the same whatever library writes them."""

from email.message import EmailMessage

import pytest

from orderwatch.core.notifications.mailbox import mailbox_problem

GOOD = {
    "a@b.example": "a@b.example",
    "<a@b.example>": "a@b.example",
    "root@localhost": "root@localhost",
    "a.b+c@d-e.example": "a.b+c@d-e.example",
    "a@[127.0.0.1]": "a@[127.0.0.1]",
    "Jane Doe <a@b.example>": "a@b.example",
    "J. Doe <a@b.example>": "a@b.example",
    '"Doe, Jane" <a@b.example>': "a@b.example",
    "Jürgen <a@b.example>": "a@b.example",
}


@pytest.mark.parametrize("text", GOOD)
def test_what_is_taken_is_one_address_for_the_library_too(text: str) -> None:
    assert mailbox_problem(text) is None
    mail = EmailMessage()
    mail["To"] = text
    (address,) = mail["To"].addresses
    assert address.addr_spec == GOOD[text]
    assert bytes(mail)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " <",
        "<",
        "root",
        "a@",
        "@b",
        "a@b@c",
        "a b@c.example",
        "a..b@c.example",
        ".a@b.example",
        "a@b..c",
        "a@-b.example",
        "a@b.example <",
        "a@b.example, c@d.example",
        "a@b.example;c@d.example",
        "a\nb@c.example",
        "a@b.example\n",
        "Jane\r\nBcc: x@y.example <a@b.example>",
        "Jane, Doe <a@b.example>",
        "a\x00@b.example",
        "group: a@b.example;",
        "ä@b.example",
        "a@bü.example",
        "Jane <a@b.example> <c@d.example>",
        f"{'a' * 400}@b.example",
    ],
)
def test_what_is_no_address_is_told(text: str) -> None:
    assert (
        mailbox_problem(text) == 'must be one address, such as "you@example.com" or "You <you@example.com>"'
    )

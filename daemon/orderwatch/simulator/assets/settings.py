"""How the assets of items and deliverables are offered."""

from typing import Literal

from orderwatch.simulator.documents import Frozen

Href = Literal["https", "https_alternate", "s3", "s3_alternate"]


class Assets(Frozen):
    """`href` is the kind of link; the alternate one, if any, is of the other kind.

    A request for an asset at the API is answered with its bytes or with a redirect to the bucket. Without
    `entitled` only pre-signed links have bytes. `signed_life` is in real seconds.
    """

    answer: Literal["bytes", "redirect"] = "bytes"
    href: Href = "https"
    presigned: bool = True  # previews and thumbnails of items
    signed_life: int = 604_800
    entitled: bool = True
    checksum: bool = False  # file:checksum
    file_size: bool = False  # file:size

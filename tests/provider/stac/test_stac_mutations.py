"""However an answer of the archive is bent, it gives values or an error, and sound items come through."""

import asyncio
import json
from typing import Any

from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples
from tests.provider.stac.stac_kit import OTHER, Shelf, item, reading
from tests.provider.test_provider_mutations import bent

from orderwatch.errors import AnswerError

SOUND = item("7_7")


def ask(document: object) -> Any:  # noqa: ANN401 - scenes, or None for an error
    """The scenes in this answer, None where it is an error."""

    async def asking() -> Any:  # noqa: ANN401 - likewise
        answer = json.dumps(document).encode()
        shelf = Shelf()

        async def reply(request: web.Request) -> web.StreamResponse:
            shelf.answers = [web.Response(body=answer, content_type="application/json")]
            return await Shelf.reply(shelf, request)

        shelf.reply = reply  # type: ignore[method-assign]  # every page is this one
        async with reading(shelf) as here:
            try:
                return await here.scenes()
            except AnswerError:
                return None

    return asyncio.run(asking())


@settings(max_examples=examples(20), deadline=None)
@given(bent(item()))
def test_a_bent_item_hides_no_sound_one(document: dict[str, Any]) -> None:
    scenes = ask({"features": [document, SOUND, item("8_8", OTHER)]})
    assert scenes is not None
    assert [scene.scene_id for scene in scenes].count(SOUND["id"]) == 1
    kept = json.dumps(
        [
            [
                scene.scene_id,
                repr(scene.facts),
                [(a.name, a.file_name, a.fingerprint) for a in scene.attachments],
            ]
            for scene in scenes
        ],
        allow_nan=False,
        ensure_ascii=False,
    )
    assert b"://" not in kept.encode()
    assert "canary" not in kept


@settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_a_bent_page_is_read_or_refused(*, data: st.DataObject) -> None:
    link = {"rel": "next", "method": "POST", "body": {"token": "next:1"}}
    page = data.draw(bent({"features": [item(), SOUND], "links": [link]}))
    scenes = ask(page)
    assert scenes is None or isinstance(scenes, list)

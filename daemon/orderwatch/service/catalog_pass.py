"""One update of one tree's catalog: items are written first, then page by page what leads to them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from orderwatch.core import stac, stac_pages
from orderwatch.core.model import Delivery
from orderwatch.core.stac import Document, Extent
from orderwatch.core.stac_pages import Node, NodeState
from orderwatch.ports import Catalog, CatalogFiles, Generation, SceneRead, Unlisted

_MAX_PAGES = 100  # written and recorded together


@dataclass(slots=True)
class _Changes:
    """What a batch of scenes changes in the catalog, by the paths of the items."""

    documents: dict[str, Document] = field(default_factory=dict)
    scenes: dict[str, SceneRead] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)


class CatalogPass:
    """Writes documents before the rows that record them, so that a crash only repeats work.

    No link leads to a missing document at any time: a document is written before the links to it, and
    removed after them. Items of another catalog stay linked by its collections until the new pages exist.
    """

    def __init__(
        self, catalog: Catalog, files: CatalogFiles, root: str | None, generation: Generation
    ) -> None:
        self._catalog = catalog
        self._files = files
        self._root = root
        self._generation = generation

    async def list_scenes(self, unlisted: Collection[Unlisted]) -> int:
        """Write the items of these scenes, and record that pages are to be written; returns their number."""
        reads = await self._catalog.scenes(self._root, unlisted)
        changes = await self._changes(reads)
        parents = {node.parent for node in changes.nodes if node.path in changes.documents}
        await self._create_pages(parents)
        await self._files.write(changes.documents)
        await self._catalog.mark_listed(self._root, self._generation, changes.scenes, changes.nodes)
        return len(changes.documents)

    async def write_pages(self, *, is_complete: bool = True) -> None:
        """Write the pages whose children changed, the deepest first, and remove what is gone."""
        while pages := await self._catalog.pages_to_write(self._root):
            deepest = max(map(stac_pages.rank, pages))
            together = sorted(page for page in pages if stac_pages.rank(page) == deepest)
            for start in range(0, len(together), _MAX_PAGES):
                if not await self._write_together(together[start : start + _MAX_PAGES]):
                    return
            if stac.CATALOGUE in together:
                await self._finish(is_complete=is_complete)
                return

    async def _finish(self, *, is_complete: bool) -> None:
        """Remove the files of former catalogs, unless there are items that could not be written."""
        if not self._generation.is_first or not is_complete:
            return
        known = await self._catalog.paths(self._root)
        await self._files.remove(await self._files.other_files(set(known)))
        root = Node(path=stac.CATALOGUE, parent=stac.CATALOGUE, state=NodeState.LINKED)
        await self._catalog.mark_linked(self._root, self._generation, [root])

    async def _changes(self, reads: Sequence[SceneRead]) -> _Changes:
        scenes = {
            read.item or stac.item_path(read.order, read.order.deliveries[0].scene_id): read for read in reads
        }
        known = await self._catalog.nodes(self._root, scenes)
        extents = {
            path: stac.extent_of(read.order, files)
            for path, read in scenes.items()
            if (files := _files(read))
        }
        new = [path for path in extents if path not in known]
        placed = await self._placed(new, extents) if new else {}
        changes = _Changes(scenes=scenes)
        for path, read in scenes.items():
            before = known.get(path)
            if path in extents:
                node = replace(
                    before or placed[path],
                    account=read.order.account,
                    project_name=read.order.project_name,
                    extent=extents[path],
                )
                changes.nodes.append(replace(node, state=stac_pages.state_after(before, node)))
                changes.documents[path] = stac.item(read.order, _files(read), path, node.parent)
            elif before is not None:
                changes.nodes.append(replace(before, state=NodeState.GONE))
        return changes

    async def _placed(self, paths: Sequence[str], extents: Mapping[str, Extent]) -> dict[str, Node]:
        """Return nodes for new items, each on the last page of its month."""
        heads = {path: stac_pages.month_of(path, extents[path]) for path in paths}
        numbers = dict(await self._catalog.next_numbers(self._root, set(heads.values())))
        placed = {}
        for path, head in heads.items():
            number = numbers[head]
            numbers[head] += 1
            placed[path] = Node(path=path, parent=stac_pages.page_of(head, number), head=head, number=number)
        return placed

    async def _write_together(self, pages: Sequence[str]) -> bool:
        """Write pages none of which is above another; returns whether the catalog is still current."""
        children: defaultdict[str, list[Node]] = defaultdict(list)
        for child in await self._catalog.children(self._root, pages):
            children[child.parent].append(child)
        before = await self._catalog.nodes(self._root, pages)
        nodes = await self._merged(pages, children, before)
        await self._create_pages({node.parent for node in nodes if stac_pages.is_collection(node.path)})
        documents = {
            node.path: stac_pages.document(node, children[node.path])
            for node in nodes
            if stac_pages.is_outdated(node, before.get(node.path), children[node.path])
        }
        await self._files.write(documents)
        await self._files.remove([c.path for c in chain(*children.values()) if c.state is NodeState.GONE])
        return await self._catalog.mark_linked(self._root, self._generation, nodes)

    async def _merged(
        self, pages: Sequence[str], children: Mapping[str, Sequence[Node]], before: Mapping[str, Node]
    ) -> list[Node]:
        new = [page for page in pages if stac_pages.is_collection(page) and page not in before]
        number = 0
        if new:
            number = (await self._catalog.next_numbers(self._root, [stac.CATALOGUE]))[stac.CATALOGUE]
        numbers = {page: number + place for place, page in enumerate(new)}
        return [
            stac_pages.merged(page, children[page], before.get(page), numbers.get(page)) for page in pages
        ]

    async def _create_pages(self, pages: Collection[str]) -> None:
        """Create missing pages as empty ones, those above first: a new document names them as its parents."""
        missing = {above for page in pages for above in stac_pages.lineage(page)}
        ordered = sorted(missing, key=stac_pages.rank)
        await self._files.create({page: stac_pages.empty_page(page) for page in ordered})


def _files(read: SceneRead) -> list[Delivery]:
    return [held for held in read.order.deliveries if held.stored_at is not None]

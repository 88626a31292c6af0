"""Opens delivery trees by their roots."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from orderwatch import config
from orderwatch.app.plan import Plan
from orderwatch.app.trees.folder import FolderTree
from orderwatch.app.trees.tree import Tree
from orderwatch.core.deliveries.delivery_root import BucketRoot, DeliveryRoot
from orderwatch.core.network import Network

if TYPE_CHECKING:
    from orderwatch.app.trees.bucket import ObjectStore

K = TypeVar("K")


@asynccontextmanager
async def open_trees(plan: Plan, roots: Mapping[K, DeliveryRoot]) -> AsyncIterator[dict[K, Tree]]:
    """Open the trees of these roots."""
    if not any(isinstance(root, BucketRoot) for root in roots.values()):
        yield {key: tree_of(plan, root) for key, root in roots.items()}
        return
    async with open_object_store(plan.settings.s3, plan.network) as store:
        yield {key: tree_of(plan, root, store) for key, root in roots.items()}


def open_object_store(settings: config.S3, network: Network) -> "AbstractAsyncContextManager[ObjectStore]":
    """Open the connection to the store of all buckets. Raises `DiskError`."""
    from orderwatch.app.trees import bucket  # noqa: PLC0415 - its library is an extra

    return bucket.open_object_store(settings, network)


def tree_of(plan: Plan, root: DeliveryRoot, store: "ObjectStore | None" = None) -> Tree:
    """Return the tree of a root; a bucket needs the object store."""
    if not isinstance(root, BucketRoot):
        return FolderTree(root, plan.shared_as)
    assert store is not None, "a bucket needs its store"  # noqa: S101 - a fault of ours
    return store.tree(root, plan.folder(root), has_others=plan.database.is_shared)


def inner_trees(root: DeliveryRoot, roots: Mapping[str | None, DeliveryRoot]) -> list[str]:
    """Return the other trees inside this one, as paths below it."""
    if isinstance(root, BucketRoot):
        inner = (other.below(root) for other in roots.values() if isinstance(other, BucketRoot))
        return [path for path in inner if path is not None]
    real = root.resolve()
    others = {path.resolve() for path in roots.values() if not isinstance(path, BucketRoot)} - {real}
    return [str(path.relative_to(real)) for path in others if path.is_relative_to(real)]

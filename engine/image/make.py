"""New images made here: of an archive (`docker import`), or of a container (`docker commit`)."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO

from engine.image import reference as grammar
from engine.image.store import Image, ImageStore
from engine.layer.compression import decompress
from engine.layer.store import EMPTY_DIFF_ID, Layer

ApplyChanges = Callable[[dict[str, Any], Sequence[str]], dict[str, Any]]
"""Dockerfile instructions (CMD, ENV, …) applied to a config section; `engine.build` owns the parser."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def architecture() -> str:
    """This machine's, as OCI names it."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def timestamp() -> str:
    """Now, as image configs write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def import_tar(
    store: ImageStore,
    stream: BinaryIO,
    *,
    changes: Sequence[str] = (),
    message: str = "",
    repo: str = "",
    tag: str = "",
    source: str = "-",
    apply_changes: ApplyChanges | None = None,
) -> Image:
    """An image of one layer from an archive, plain or compressed. Blocks for as long as the archive comes."""
    ref = named(repo, tag)
    section = apply_changes({}, changes) if changes and apply_changes else {}
    with decompress(stream) as plain:
        layer = store.layers.register(plain, None, hold=True)
    try:
        now = timestamp()
        config = {
            "architecture": architecture(),
            "os": "linux",
            "created": now,
            "config": section,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
            "history": [{"created": now, "comment": message or f"Imported from {source}"}],
        }
        image = store.create(config)
    finally:
        store.layers.release(layer.chain_id)
    if ref is not None:
        store.tag(image.id, ref)
    return image


def named(repo: str, tag: str) -> grammar.Reference | None:
    """The reference of the API's `repo` and `tag` parameters, None if neither is given."""
    if not repo:
        return None
    ref = grammar.parse(repo)
    return ref.with_tag(tag) if tag else ref.with_default_tag()


def commit(
    store: ImageStore,
    container_id: str,
    base: Image | None,
    config: dict[str, Any],
    *,
    author: str = "",
    comment: str = "",
    created_by: str = "",
    changes: Sequence[str] = (),
    apply_changes: ApplyChanges | None = None,
    consume: bool = False,
) -> Image:
    """An image of what a container changed, on top of the image it was made from.

    config: the config section that containers of the new image get; created_by: the command line for the
    history; consume: the container's rw layer is given up (see LayerStore.commit_rw). Pausing
    the container meanwhile is the caller's.
    """
    section = apply_changes(config, changes) if changes and apply_changes else config
    layer = store.layers.commit_rw(container_id, consume=consume, hold=True)
    try:
        return derive(store, base, section, layer, author=author, comment=comment, created_by=created_by)
    finally:
        store.layers.release(layer.chain_id)


def derive(
    store: ImageStore,
    base: Image | None,
    section: dict[str, Any],
    layer: Layer | None,
    *,
    author: str = "",
    comment: str = "",
    created_by: str = "",
) -> Image:
    """An image one history step further than `base`; layer None or empty: only the config changes.

    The layer lies on top of `base`'s. What a build step and a commit have in common.
    """
    now = timestamp()
    step: dict[str, Any] = {"created": now}
    for key, value in (("created_by", created_by), ("author", author), ("comment", comment)):
        if value:
            step[key] = value
    diff_ids = base.diff_ids if base else []
    if layer is None or layer.diff_id == EMPTY_DIFF_ID:
        step["empty_layer"] = True
    else:
        diff_ids = [*diff_ids, layer.diff_id]
    inherited = copy.deepcopy(base.config) if base else {}
    config = {
        **inherited,
        "architecture": inherited.get("architecture") or architecture(),
        "os": inherited.get("os") or "linux",
        "created": now,
        "config": section,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [*(inherited.get("history") or []), step],
    }
    for legacy in ("container", "container_config", "comment", "id", "parent"):
        config.pop(legacy, None)
    if author:
        config["author"] = author
    return store.create(config, parent=base.id if base else "")

"""A daemon that kills itself at a chosen step: `pydocker` with the engine's own methods wrapped.

A step is the moment before, and the moment after, a call that changes something on the disk, in the
records or in the kernel. They are counted while the file `armed` is there; its text is the number of the
step to die at.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS = (
    ("engine.container.store", "ContainerStore", ("add", "save", "remove")),
    ("engine.layer.store", "LayerStore", ("create_rw", "remove_rw", "mount_rw", "unmount_rw")),
    ("drivers.graph.overlay2", "Overlay2Driver", ("create", "remove")),
    ("engine.volume.store", "VolumeStore", ("create", "hold", "release", "remove")),
    ("drivers.volume.local", "LocalDriver", ("create", "remove")),
    ("engine.network.controller", "NetworkController", ("attach", "detach")),
    ("engine.network.fabric", "Fabric", ("bring_up", "tear_down")),
    ("engine.network.store", "NetworkStore", ("put", "delete_sandbox")),
    ("drivers.execution.native", "NativeDriver", ("create", "start", "kill", "delete")),
)
ROOT = Path(__file__).parents[2]


def script(path: Path, armed: Path) -> Path:
    """Write an executable that takes the place of `pydocker`."""
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests.harness.crashing import main\nmain({str(armed)!r})\n"
    )
    path.chmod(0o755)
    return path


def main(armed: str) -> None:
    """Wrap, and be `pydocker`."""
    step = _Steps(armed)
    for module, name, methods in STEPS:
        owner = getattr(importlib.import_module(module), name)
        for method in methods:
            setattr(owner, method, _wrapped(getattr(owner, method), f"{name}.{method}", step))
    from engine.cli.main import main as pydocker

    pydocker()


class _Steps:
    def __init__(self, armed: str) -> None:
        self._armed, self._count = armed, 0

    def __call__(self, name: str) -> None:
        try:
            with open(self._armed) as file:
                target = int(file.read())
        except FileNotFoundError:
            self._count = 0
            return
        self._count += 1
        if self._count == target:
            print(f"crashing at step {target}: {name}", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


def _wrapped(method: Callable[..., Any], name: str, step: Callable[[str], None]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def later(*args: Any, **options: Any) -> Any:
            step(f"before {name}")
            result = await method(*args, **options)
            step(f"after {name}")
            return result

        return later

    @functools.wraps(method)
    def now(*args: Any, **options: Any) -> Any:
        step(f"before {name}")
        result = method(*args, **options)
        step(f"after {name}")
        return result

    return now

"""Keep no log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.driverapi.execution import IOConfig
from engine.errdefs import InvalidParameter


class NoneDriver:
    """See engine.driverapi.log.LogDriver. It cannot be read back."""

    name = "none"

    def validate(self, options: Mapping[str, str]) -> None:
        """There are no options."""
        for key in options:
            raise InvalidParameter(f"unknown log opt '{key}' for none log driver")

    def io(self, base: IOConfig, directory: Path, container_id: str, options: Mapping[str, str]) -> IOConfig:
        """Nothing is written."""
        return base

    def path(self, directory: Path, container_id: str) -> Path | None:
        """There is none."""
        return None

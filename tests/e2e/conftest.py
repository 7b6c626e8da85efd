"""The same fixtures as in the integration layer."""

from __future__ import annotations

from tests.integration.conftest import engine, shared_engine

__all__ = ["engine", "shared_engine"]

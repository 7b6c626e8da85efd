"""nftables through libnftables: a text of commands is one atomic change.

Source: libnftables(3). The library comes with the package nftables (libnftables.so.1).
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

NFT_CTX_DEFAULT = 0
NFT_CTX_OUTPUT_HANDLE = 1 << 3


class NftError(OSError):
    """The commands were refused; nothing of them has taken effect."""


def _load() -> Any:
    lib = ctypes.CDLL("libnftables.so.1")
    context = ctypes.c_void_p
    for name, result, arguments in (
        ("nft_ctx_new", context, (ctypes.c_uint32,)),
        ("nft_ctx_free", None, (context,)),
        ("nft_ctx_output_set_flags", None, (context, ctypes.c_uint)),
        ("nft_ctx_buffer_error", ctypes.c_int, (context,)),
        ("nft_ctx_buffer_output", ctypes.c_int, (context,)),
        ("nft_ctx_get_error_buffer", ctypes.c_char_p, (context,)),
        ("nft_ctx_get_output_buffer", ctypes.c_char_p, (context,)),
        ("nft_run_cmd_from_buffer", ctypes.c_int, (context, ctypes.c_char_p)),
    ):
        function = getattr(lib, name)
        function.restype = result
        function.argtypes = arguments
    return lib


class Nftables:
    """A handle on the rule set of the process's network namespace. Calls block, well under 1 ms."""

    def __init__(self) -> None:
        try:
            self._lib = _load()
        except OSError as exc:
            raise NftError(
                2, "libnftables.so.1 is missing: install the package libnftables1 or nftables"
            ) from exc
        self._lock = threading.Lock()
        self._context = self._lib.nft_ctx_new(NFT_CTX_DEFAULT)
        self._lib.nft_ctx_output_set_flags(self._context, NFT_CTX_OUTPUT_HANDLE)
        self._lib.nft_ctx_buffer_error(self._context)
        self._lib.nft_ctx_buffer_output(self._context)

    def run(self, commands: str) -> str:
        """Run commands as nft(8) has them, all or none; returns what they print, with handles."""
        with self._lock:
            if self._context is None:
                raise NftError(9, "the handle is closed")
            failed = self._lib.nft_run_cmd_from_buffer(self._context, commands.encode())
            output: bytes = self._lib.nft_ctx_get_output_buffer(self._context)
            errors: bytes = self._lib.nft_ctx_get_error_buffer(self._context)
        if failed:
            raise NftError(22, " ".join(errors.decode(errors="replace").split()))
        return output.decode()

    def close(self) -> None:
        """Free the handle."""
        with self._lock:
            if self._context is not None:
                self._lib.nft_ctx_free(self._context)
                self._context = None

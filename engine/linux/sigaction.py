"""rt_sigaction(2), for the two signals that the C library keeps to itself.

32 and 33 are its own (nptl(7)) and sigaction(3) refuses them, yet posix_spawn(3) leaves them ignored in the
child, and what is ignored stays so over execve: without this, a container would see how its daemon
was started.
"""

from __future__ import annotations

import ctypes

from engine.linux.libc import number, syscall

RESERVED = (32, 33)
_SIGSET_BYTES = 8
_DEFAULT = ctypes.create_string_buffer(32)  # struct kernel_sigaction: SIG_DFL, no flags, an empty mask


def reset_reserved() -> None:
    """Back to the default disposition."""
    for signal in RESERVED:
        syscall(number("rt_sigaction"), ctypes.c_int(signal), _DEFAULT, None, ctypes.c_size_t(_SIGSET_BYTES))

"""The error vocabulary of Dockyard. Imports nothing, so every room may raise from it.

    DockyardError
     ├─ InvalidParameter     what the caller asked is malformed or contradictory    400
     ├─ Unauthorized         credentials are missing or wrong                       401
     ├─ Forbidden            understood, and never allowed                          403
     ├─ NotFound             the thing named does not exist                         404
     ├─ Conflict             the thing is in a state that forbids it, or is taken   409
     ├─ NotModified          nothing to do (a started container started)            304
     ├─ Unsupported          valid, but this engine cannot do it                    501
     ├─ Unavailable          try again later, or elsewhere                          503
     ├─ DeadlineExceeded     took longer than the caller allowed                    504
     └─ SystemFailure        the kernel, the disk or a peer failed                  500

The numbers are HTTP statuses of the Docker API; `engine.server.errors` is the one place that
maps classes to them, and `engine.client.errors` the one that maps them back.
A foreign exception is translated where it enters, with ``raise NotFound(...) from exc``.
"""

from __future__ import annotations


class DockyardError(Exception):
    """Base of all errors we raise on purpose; ``str()`` is one sentence fit for a user."""


class InvalidParameter(DockyardError):
    """The request is malformed or contradicts itself."""


class Unauthorized(DockyardError):
    """Credentials are missing or wrong."""


class Forbidden(DockyardError):
    """Understood, and never allowed (deleting a predefined network)."""


class NotFound(DockyardError):
    """The object named does not exist."""


class Conflict(DockyardError):
    """The object's state forbids it, or its name is taken."""


class NotModified(DockyardError):
    """There was nothing to do."""


class Unsupported(DockyardError):
    """Valid, but not something this engine, driver or kernel can do."""


class Unavailable(DockyardError):
    """Not now: a peer is down, or the service is not part of this node."""


class DeadlineExceeded(DockyardError):
    """It took longer than the caller allowed."""


class SystemFailure(DockyardError):
    """The kernel, the disk or a peer failed us."""


class StartFailure(InvalidParameter):
    """A container's or exec's process could not be started.

    exit_code: 127 not found, 126 not executable, 128 anything else: what dockerd records as the
        container's exit code. The message carries the words that the docker CLI looks for
        ("executable file not found", "permission denied", "is a directory") to choose its own.
    """

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

"""ADD of a URL: the file is fetched before the step and then copied like any other."""

from __future__ import annotations

import asyncio
import hashlib
import os
import posixpath
import re
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp

from engine.errdefs import InvalidParameter, SystemFailure, Unsupported

_CHUNK = 1 << 20
_URL = re.compile(r"https?://", re.IGNORECASE)
_OTHER = re.compile(r"(ftp|git|ssh)://|git@", re.IGNORECASE)
_CHECKSUM = re.compile(r"sha256:[0-9a-fA-F]{64}")
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=120)


def is_remote(source: str) -> bool:
    """Whether ADD fetches this source. Raises Unsupported for a kind that this builder can't fetch."""
    if _OTHER.match(source):
        raise Unsupported(
            f"ADD failed: {source}: only http and https sources can be fetched; clone it before the build"
        )
    return _URL.match(source) is not None


async def fetch(url: str, directory: Path, *, checksum: str = "") -> str:
    """Fetch into `directory`; returns the file's name, which is the last part of the URL's path.

    checksum: ``sha256:<hex>`` that the content must have (InvalidParameter if not), "" for any.
    The file has mode 0600 and the time of the Last-Modified header, as docker has it. Raises
    InvalidParameter if the server refuses or the URL names no file, SystemFailure if it can't be reached.
    """
    name = posixpath.basename(unquote(urlsplit(url).path))
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise InvalidParameter(f"ADD failed: cannot determine filename from url: {url}")
    if checksum and not _CHECKSUM.fullmatch(checksum):
        raise InvalidParameter(
            f"ADD failed: invalid --checksum {checksum!r}: expected sha256:<64 hex digits>"
        )
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True, auto_decompress=False) as session,
            session.get(url) as response,
        ):
            if response.status >= 400:
                raise InvalidParameter(
                    f"ADD failed: failed to GET {url} with status {response.status} {response.reason}"
                )
            found = await _write(response, directory / name)
    except aiohttp.ClientConnectorError as exc:
        why = os.strerror(exc.os_error.errno).lower() if exc.os_error.errno else str(exc.os_error)
        raise SystemFailure(
            f'ADD failed: Get "{url}": dial tcp {exc.host}:{exc.port}: connect: {why}'
        ) from exc
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        raise SystemFailure(f'ADD failed: Get "{url}": {exc or type(exc).__name__}') from exc
    if checksum and found != checksum.lower():
        raise InvalidParameter(f"ADD failed: digest mismatch of {url}: expected {checksum}, got {found}")
    return name


async def _write(response: aiohttp.ClientResponse, path: Path) -> str:
    """Store the body; returns its digest."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        path.chmod(0o600)
        async for chunk in response.content.iter_chunked(_CHUNK):
            digest.update(chunk)
            await asyncio.to_thread(file.write, chunk)
    _keep_time(response, path)
    return f"sha256:{digest.hexdigest()}"


def _keep_time(response: aiohttp.ClientResponse, path: Path) -> None:
    modified = response.headers.get("Last-Modified")
    if modified:
        try:
            moment = parsedate_to_datetime(modified).timestamp()
        except ValueError:
            return
        os.utime(path, (moment, moment))

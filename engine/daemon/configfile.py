"""From flags and `daemon.json` to a DaemonConfig.

Keys of the file are dockerd's. As there: an unknown key is refused, and so is one that is also given
as a flag, since nobody could tell which of the two was meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

import msgspec

from engine.daemon.config import DaemonConfig
from engine.daemon.options import OPTIONS, Option
from engine.errdefs import InvalidParameter

_LEVELS = ("debug", "info", "warn", "error", "fatal")


def load(flags: Mapping[str, Any]) -> DaemonConfig:
    """Merge. flags: attribute → raw value, only of the flags that were given.

    Lists of strings for repeatable flags, strings or bools otherwise. Raises InvalidParameter with
    what is wrong and where.
    """
    path = Path(flags.get("config_file", DaemonConfig().config_file))
    document = _read(path, required="config_file" in flags)
    try:
        from_file = _from_document(document, flags)
    except InvalidParameter as exc:
        raise InvalidParameter(f"unable to configure the daemon with file {path}: {exc}") from exc
    by_attribute = {option.attribute: option for option in OPTIONS}
    from_flags = {name: convert(by_attribute[name], value) for name, value in flags.items()}
    config = replace(DaemonConfig(), **from_file, **from_flags)
    _check(config)
    return config


def reload(config: DaemonConfig, flags: Mapping[str, Any]) -> DaemonConfig:
    """The configuration after SIGHUP: what may change without a restart is taken from the file anew."""
    fresh = load(flags)
    changed = {o.attribute: getattr(fresh, o.attribute) for o in OPTIONS if o.reload}
    return replace(config, **changed)


def convert(option: Option, value: Any) -> Any:
    """A raw value as what DaemonConfig holds; InvalidParameter naming the flag."""
    try:
        return _CONVERT[option.kind](value)
    except (ValueError, TypeError, KeyError) as exc:
        raise InvalidParameter(f'invalid argument "{_show(value)}" for "--{option.flag}": {exc}') from exc


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except FileNotFoundError as exc:
        if required:
            raise InvalidParameter(
                f"unable to configure the daemon with file {path}: no such file; create it or "
                "leave --config-file away"
            ) from exc
        return {}
    except OSError as exc:
        raise InvalidParameter(f"unable to configure the daemon with file {path}: {exc.strerror}") from exc
    try:
        return msgspec.json.decode(data or b"{}", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError) as exc:
        raise InvalidParameter(f"unable to configure the daemon with file {path}: {exc}") from exc


def _from_document(document: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    by_key = {option.key: option for option in OPTIONS if option.key}
    if unknown := sorted(set(document) - set(by_key)):
        raise InvalidParameter(
            f"the following directives don't match any configuration option: {', '.join(unknown)}"
        )
    clashes = [
        f"{key}: (from flag: {_show(flags[by_key[key].attribute])}, from file: {_show(value)})"
        for key, value in document.items()
        if by_key[key].attribute in flags
    ]
    if clashes:
        raise InvalidParameter(
            "the following directives are specified both as a flag and in the configuration file: "
            + ", ".join(clashes)
        )
    return {by_key[key].attribute: convert(by_key[key], value) for key, value in document.items()}


def _show(value: Any) -> str:
    return f"[{' '.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value)


def _check(config: DaemonConfig) -> None:
    """What no single value shows."""
    if config.log_level not in _LEVELS:
        raise InvalidParameter(f"invalid logging level: {config.log_level} (one of {', '.join(_LEVELS)})")
    for label in config.labels:
        if "=" not in label:
            raise InvalidParameter(f"bad attribute format: {label}: a label is key=value")
    for host in config.hosts:
        if not host.startswith(("unix://", "tcp://")):
            raise InvalidParameter(f"Invalid bind address format: {host}: use unix://PATH or tcp://HOST:PORT")
    if config.mtu < 0:
        raise InvalidParameter(f"invalid default MTU: {config.mtu}")
    addresses = [("dns", text) for text in config.dns]
    addresses += [("ip", config.ip), ("host-gateway-ip", config.host_gateway_ip)]
    for flag, text in addresses:
        if text and not _is(ip_address, text):
            raise InvalidParameter(f'invalid argument "{text}" for "--{flag}": {text} is not an ip address')
    if config.bip and not ("/" in config.bip and _is(ip_interface, config.bip)):
        raise InvalidParameter(
            f'invalid argument "{config.bip}" for "--bip": invalid CIDR address; give the bridge\'s address '
            "and prefix length, such as 10.1.0.1/24"
        )


def _is(kind: Callable[[str], object], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("must be a string")
    return value


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("1", "t", "true"):
        return True
    if str(value).lower() in ("0", "f", "false"):
        return False
    raise ValueError("must be true or false")


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError("must be a whole number")
    try:
        return int(value)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _list(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise TypeError("must be a list of strings")
    return tuple(value)


def _map(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(k): _string(v) for k, v in value.items()}
    pairs = [item.partition("=") for item in _list(value)]
    if bad := [name for name, equals, _ in pairs if not equals]:
        raise ValueError(f"{bad[0]} is not key=value")
    return {name: text for name, _, text in pairs}


def _ulimits(value: Any) -> dict[str, tuple[int, int]]:
    """Flags ``nofile=1024:2048``, or the file's ``{"nofile": {"Soft": 1024, "Hard": 2048}}``."""
    if isinstance(value, dict):
        return {name: (int(v["Soft"]), int(v["Hard"])) for name, v in value.items()}
    limits = {}
    for item in _list(value):
        name, equals, numbers = item.partition("=")
        soft, _, hard = numbers.partition(":")
        if not (name and equals and _number(soft) and (not hard or _number(hard))):
            raise ValueError(f"invalid ulimit argument: {item}")
        limits[name] = (int(soft), int(hard or soft))
    return limits


def _number(text: str) -> bool:
    return text.removeprefix("-").isdigit()


_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def _size(value: Any) -> int:
    """Bytes, or a number with a unit: 64m, 1GiB."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = _string(value).strip().lower()
    number = text.rstrip("kmgtib ")
    unit = text[len(number) :].strip().removesuffix("ib").removesuffix("b")
    if unit not in _UNITS:
        raise ValueError(f"invalid size: '{value}'")
    return int(float(number) * _UNITS[unit])


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "str": _string,
    "path": lambda value: Path(_string(value)).absolute(),
    "bool": _bool,
    "int": _int,
    "list": _list,
    "map": _map,
    "ulimit": _ulimits,
    "size": _size,
}

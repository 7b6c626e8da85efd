"""Where a repository's registry answers: mirrors, the Hub, https or, where that is allowed, http."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

HUB_DOMAIN = "docker.io"
HUB_HOST = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class RegistryOptions:
    """The daemon's settings.

    insecure_registries: hosts (with port) or networks in CIDR notation; mirrors: base URLs, of the Hub only.
    """

    insecure_registries: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One base URL to try. verify: check the TLS certificate. mirror: serves pulls of the Hub only."""

    url: str
    verify: bool = True
    mirror: bool = False


def endpoints(domain: str, options: RegistryOptions, *, push: bool = False) -> list[Endpoint]:
    """In the order they are to be tried."""
    if domain == HUB_DOMAIN:
        mirrors = [] if push else [_mirror(url, options) for url in options.mirrors]
        return [*mirrors, Endpoint(f"https://{HUB_HOST}")]
    if not is_insecure(domain, options):
        return [Endpoint(f"https://{domain}")]
    return [Endpoint(f"https://{domain}", verify=False), Endpoint(f"http://{domain}", verify=False)]


def _mirror(url: str, options: RegistryOptions) -> Endpoint:
    full = url if "://" in url else f"https://{url}"
    host = full.partition("://")[2].partition("/")[0]
    return Endpoint(full.rstrip("/"), verify=not is_insecure(host, options), mirror=True)


def is_insecure(host: str, options: RegistryOptions) -> bool:
    """Whether plain http and unknown certificates are accepted; for loopback they always are."""
    name = _without_port(host)
    if name == "localhost" or host in options.insecure_registries or name in options.insecure_registries:
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or any(address in network for network in _networks(options))


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _networks(options: RegistryOptions) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for text in options.insecure_registries:
        try:
            yield ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue

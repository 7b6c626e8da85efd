"""Who is called what on a user-defined network; read from the records at each query."""

from __future__ import annotations

from engine.network.store import NetworkStore


class NameTable:
    """The names that the embedded DNS server knows (engine.network.dns.Names)."""

    def __init__(self, store: NetworkStore) -> None:
        self._store = store

    def lookup(self, container_id: str, name: str) -> list[str] | None:
        """Addresses of ``name`` or ``name.network`` on networks the asker is on, links' aliases included."""
        found: list[str] = []
        for own in self._store.endpoints_of(container_id):
            network = self._store.find(own.network_id)
            if network is None or not network.has_dns:
                continue
            wanted = {name, name.removesuffix(f".{network.name.lower()}")}
            for link in own.settings.get("Links") or []:
                target, _, alias = str(link).partition(":")
                if (alias or target).lower() in wanted:
                    wanted.add(target.lower())
            found.extend(
                endpoint.ipv4
                for endpoint in self._store.endpoints_on(network.id)
                if any(known.lower() in wanted for known in endpoint.dns_names)
            )
        return list(dict.fromkeys(found)) or None

    def reverse(self, container_id: str, address: str) -> str | None:
        """``name.network`` of an address."""
        for own in self._store.endpoints_of(container_id):
            network = self._store.find(own.network_id)
            if network is None or not network.has_dns:
                continue
            for endpoint in self._store.endpoints_on(network.id):
                if endpoint.ipv4 == address:
                    return f"{endpoint.container_name}.{network.name}"
        return None

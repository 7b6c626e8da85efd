"""`up` and `create`: what must be done so that an engine has what a project wants.

    networks, volumes ─┐
    images ────────────┼─> create ─> (stop old ─> remove old ─> rename) ─> start
    dependencies ──────┘     (wait until started, healthy, completed) ──────^

Containers of one service don't wait for each other, and those of independent services neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from compose.errors import ComposeError
from compose.model import Body, Project, replicas
from compose.plan.divergence import diverged
from compose.plan.operations import Kind, Plan
from compose.plan.order import topological
from compose.plan.state import Container, Observed
from compose.plan.unsupported import unsupported


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of `up` that matter to the plan.

    services: named ones, empty for all. start: False only creates. create_first: make the new
    container before the old one is stopped; a cluster's scheduler would see both and may refuse
    the second, so there it is False. stop_timeout: seconds, None for the container's own.
    """

    services: tuple[str, ...] = ()
    dependencies: bool = True
    force_recreate: bool = False
    always_recreate_dependencies: bool = False
    recreate: bool = True
    renew_anonymous_volumes: bool = False
    start: bool = True
    remove_orphans: bool = False
    create_first: bool = True
    stop_timeout: int | None = None


@dataclass(slots=True)
class _Progress:
    """What the plan has for each service so far: ids of operations, by service."""

    made: dict[str, list[str]] = field(default_factory=dict)
    started: dict[str, list[str]] = field(default_factory=dict)
    recreated: set[str] = field(default_factory=set)


def container_name(project: Project, service: str, number: int, separator: str = "-") -> str:
    """``container_name``, or P-S-N."""
    own = project.services[service].get("container_name")
    return str(own) if own else separator.join((project.name, service, str(number)))


def selected(project: Project, wanted: Wanted) -> list[str]:
    """The services that take part, dependencies before their dependents."""
    from compose.loader.profiles import with_dependencies

    names = project.require(wanted.services)
    if wanted.dependencies:
        names = with_dependencies(project.services, names)
    edges = {name: list(project.services[name].get("depends_on") or ()) for name in project.services}
    return [name for name in topological(edges) if name in set(names)]


def converge(project: Project, observed: Observed, wanted: Wanted, *, separator: str = "-") -> Plan:
    """The plan. Raises ComposeError if an external network or volume is missing."""
    plan = Plan()
    names = selected(project, wanted)
    networks = _networks(plan, project, observed, names)
    volumes = _volumes(plan, project, observed, names)
    plan.warnings.extend(unsupported(project, names))
    progress = _Progress()
    for name in names:
        _Service(plan, project, observed, wanted, progress, name, separator).plan([*networks, *volumes])
    _orphans(plan, project, observed, wanted)
    return plan


def _networks(plan: Plan, project: Project, observed: Observed, services: Iterable[str]) -> list[str]:
    used = dict.fromkeys(n for s in services for n in project.services[s].get("networks") or ())
    added = []
    for key in used:
        body = project.networks[key]
        name = body["name"]
        known = observed.networks.get(name)
        if body.get("external"):
            if known is None and name not in ("host", "none", "bridge"):
                raise ComposeError(f"network {name} declared as external, but could not be found")
            continue
        for target in _missing_copies(body, name, observed):
            added.append(plan.add(Kind.CREATE_NETWORK, target, reason="missing", network=key))
    return added


def _missing_copies(body: Body, name: str, observed: Observed) -> list[str]:
    """The names under which a network has to be created.

    A cluster of engines has no network of its own that spans them, unless the driver is one that
    does: each node gets a bridge of that name, so that a container finds it wherever it is placed.
    """
    known = observed.networks.get(name)
    spans = body.get("driver") not in (None, "", "bridge")
    if not observed.nodes or spans:
        return [] if known else [name]
    if known and not known.nodes:
        return []
    have = known.nodes if known else frozenset()
    return [f"{node}/{name}" for node in observed.nodes if node not in have]


def _volumes(plan: Plan, project: Project, observed: Observed, services: Iterable[str]) -> list[str]:
    used = dict.fromkeys(
        mount["source"]
        for service in services
        for mount in project.services[service].get("volumes") or ()
        if mount["type"] == "volume" and mount.get("source")
    )
    added = []
    for key in used:
        body = project.volumes[key]
        if body["name"] in observed.volumes:
            continue
        if body.get("external"):
            raise ComposeError(f'external volume "{body["name"]}" not found')
        added.append(plan.add(Kind.CREATE_VOLUME, body["name"], reason="missing", volume=key))
    return added


def _orphans(plan: Plan, project: Project, observed: Observed, wanted: Wanted) -> None:
    known = {*project.services, *project.disabled}
    orphans = [c for c in observed.containers if (c.service not in known) or (c.oneoff and not c.running)]
    orphans = [c for c in orphans if c.service not in known or wanted.remove_orphans]
    if not orphans:
        return
    if wanted.remove_orphans:
        for container in orphans:
            remove(plan, container, "orphan", wanted.stop_timeout)
        return
    names = ", ".join(container.name for container in orphans)
    plan.orphans.append(
        f"Found orphan containers ([{names}]) for this project. If you removed or renamed this service in "
        "your compose file, you can run this command with the --remove-orphans flag to clean it up."
    )


def remove(
    plan: Plan, container: Container, reason: str, timeout: int | None, needs: Iterable[str] = ()
) -> str:
    """Add what stops and removes a container; the id of the removal."""
    needs = list(needs)
    if container.running:
        needs = [
            plan.add(
                Kind.STOP,
                container.name,
                service=container.service,
                reason=reason,
                needs=needs,
                key=container.id,
                container=container.id,
                timeout=timeout,
            )
        ]
    return plan.add(
        Kind.REMOVE,
        container.name,
        service=container.service,
        reason=reason,
        needs=needs,
        key=container.id,
        container=container.id,
    )


class _Service:
    """Plans the containers of one service; those it depends on are planned already."""

    def __init__(
        self,
        plan: Plan,
        project: Project,
        observed: Observed,
        wanted: Wanted,
        progress: _Progress,
        name: str,
        separator: str,
    ) -> None:
        self.p, self.project, self.observed, self.wanted = plan, project, observed, wanted
        self.progress, self.name, self.separator = progress, name, separator
        self.body = project.services[name]

    def plan(self, resources: list[str]) -> None:
        """Add the operations of this service."""
        self.progress.made[self.name] = []
        self.progress.started[self.name] = []
        self.resources = [*resources, *self._parents()]
        existing = [c for c in self.observed.of_service(self.name) if c.state != "removing"]
        reasons = {c.id: self._reason(c) for c in existing}
        count = replicas(self.body)
        # the obsolete first, then the highest numbers: what is kept is what was there longest
        by_worth = sorted(existing, key=lambda c: (bool(reasons[c.id]), c.number))
        kept, excess = by_worth[:count], by_worth[count:]
        for container in excess:
            remove(self.p, container, f"scaled down to {count}", self.wanted.stop_timeout)
        for container in sorted(kept, key=lambda c: c.number):
            self._keep(container, reasons[container.id])
        taken = {c.number for c in existing}
        for _ in range(count - len(kept)):
            number = next(n for n in range(1, len(taken) + 2) if n not in taken)
            taken.add(number)
            self._create(number)

    def _parents(self) -> list[str]:
        """Creations that this one must come after: it names those containers."""
        parents = {link.partition(":")[0] for link in self.body.get("links") or ()}
        parents |= self._namespace_parents()
        return [identity for parent in parents for identity in self.progress.made.get(parent, ())]

    def _namespace_parents(self) -> set[str]:
        found = set()
        for key in ("network_mode", "ipc", "pid", "uts"):
            value = self.body.get(key)
            if isinstance(value, str) and value.startswith("service:"):
                found.add(value.removeprefix("service:"))
        for source in self.body.get("volumes_from") or ():
            if not source.startswith("container:"):
                found.add(source.partition(":")[0])
        return found

    def _reason(self, container: Container) -> str:
        if not self.wanted.recreate:
            return ""
        named = not self.wanted.services or self.name in self.wanted.services
        if self.wanted.force_recreate and named:
            return "forced"
        if self.wanted.always_recreate_dependencies and not named:
            return "forced, as a dependency"
        for parent in sorted(self._namespace_parents() & self.progress.recreated):
            return f"it shares a namespace or volumes with {parent}, which is recreated"
        return diverged(self.project, self.name, container, self.observed)

    def _keep(self, container: Container, reason: str) -> None:
        if reason:
            self._recreate(container, reason)
        elif not container.running:
            self._start(container.name, "not running", [], container=container.id)
        elif self._restarts():
            target = container.name
            identity = self.p.add(
                Kind.RESTART,
                target,
                service=self.name,
                reason="a service it depends on is recreated",
                needs=self._conditions(),
                container=container.id,
                timeout=self.wanted.stop_timeout,
            )
            self.progress.started[self.name].append(identity)

    def _restarts(self) -> bool:
        dependencies = self.body.get("depends_on") or {}
        return self.wanted.start and any(
            entry.get("restart") and target in self.progress.recreated
            for target, entry in dependencies.items()
        )

    def _create(self, number: int) -> None:
        name = container_name(self.project, self.name, number, self.separator)
        made = self.p.add(
            Kind.CREATE,
            name,
            service=self.name,
            reason="missing",
            needs=self.resources,
            number=number,
            name=name,
        )
        self.progress.made[self.name].append(made)
        self._start(name, "", [made])

    def _recreate(self, container: Container, reason: str) -> None:
        self.progress.recreated.add(self.name)
        name = container_name(self.project, self.name, container.number, self.separator)
        details: dict[str, Any] = {
            "number": container.number,
            "replaces": container.id,
            "renew": self.wanted.renew_anonymous_volumes,
        }
        timeout = self.wanted.stop_timeout
        add = partial(self.p.add, Kind.CREATE, name, service=self.name, reason=reason)
        if self.wanted.create_first:
            made = add(needs=self.resources, name=f"{container.id[:12]}_{name}", **details)
            gone = remove(self.p, container, "replaced", timeout, [made])
            last = self.p.add(Kind.RENAME, name, service=self.name, needs=[gone], create=made, name=name)
        else:
            gone = remove(self.p, container, reason, timeout, self.resources)
            last = add(needs=[gone], name=name, **details)
        self.progress.made[self.name].append(last)
        self._start(name, "", [last])

    def _start(self, name: str, reason: str, needs: list[str], container: str = "") -> None:
        if not self.wanted.start:
            return
        identity = self.p.add(
            Kind.START,
            name,
            service=self.name,
            reason=reason,
            needs=[*needs, *self._conditions()],
            container=container,
        )
        self.progress.started[self.name].append(identity)

    def _conditions(self) -> list[str]:
        """What has to be true of the dependencies before a container of this service starts."""
        needs: list[str] = []
        for target, entry in (self.body.get("depends_on") or {}).items():
            if target not in self.progress.started:
                continue  # --no-deps, or absent and not required
            started = self.progress.started[target]
            condition = entry.get("condition", "service_started")
            if condition == "service_started":
                needs.extend(started)
                continue
            word = condition.removeprefix("service_")
            required = entry.get("required", True)
            needs.append(
                self.p.add(
                    Kind.WAIT,
                    target,
                    service=target,
                    reason=f"until {word}",
                    needs=started,
                    key=f"{target} {word}{'' if required else ' (optional)'}",
                    condition=word,
                    required=required,
                )
            )
        return needs

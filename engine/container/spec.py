"""Pure: a container and its surroundings → an OCI runtime spec (config.json) for the execution driver.

What must be looked up on the machine (users, devices, directories of volumes, the network sandbox)
was found before and comes in through `SpecInputs`, so that the same inputs give the same spec.

    spec = build_spec(SpecInputs(container_id=…, config=…, host_config=…, rootfs=…, hostname=…,
                                 args=["sh"], user=users.resolve(…), netns="/run/…/netns/4f1c"))
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.container import capabilities, mounts, resources, seccomp_profile
from engine.container.defaults import DEFAULT_NET_SYSCTLS, MASKED_PATHS, READONLY_PATHS
from engine.container.devices import HostDevice
from engine.container.environment import merge_env
from engine.container.security import SecurityOptions, security_options
from engine.container.users import Identity
from engine.errdefs import InvalidParameter

OCI_VERSION = "1.1.0"
ROOT = Identity(uid=0, gid=0, groups=(0,), home="/root")

# Sysctls that belong to one namespace (https://man7.org/linux/man-pages/man7/ipc_namespaces.7.html).
_IPC_SYSCTLS = frozenset(
    f"kernel.{name}"
    for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)
_UTS_SYSCTLS = frozenset({"kernel.domainname", "kernel.hostname"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecInputs:
    """A container and its surroundings.

    config, host_config: the API's Config (merged with the image's) and HostConfig; absent members
        have docker's defaults.
    rootfs: the mounted rw layer. args: entrypoint and command in one.
    user: looked up in the container's own /etc/passwd and /etc/group (engine.container.users).
    env: the whole environment; `engine.container.environment` makes it.
    netns: path of the network namespace, None to share the daemon's (NetworkMode host).
    namespaces: paths of namespaces that are another container's, by OCI type ("pid", "ipc", "uts").
    mounts: the user's binds and volumes as OCI mounts (`engine.container.mounts` makes them);
        HostConfig.Tmpfs is read from host_config and not repeated here.
    files: container path → host path of /etc/hosts, /etc/hostname, /etc/resolv.conf.
    shm_path: directory to show as /dev/shm (the host's, or another container's), None for a fresh one.
    devices: what `engine.container.devices.host_devices` found.
    available_caps: the daemon's own bounding set, None for no limit.
    default_ulimits: the daemon's --default-ulimit, as the API writes Ulimits.
    kernel, arch: what seccomp rules depend on.
    """

    container_id: str
    config: Mapping[str, Any]
    host_config: Mapping[str, Any]
    rootfs: str
    hostname: str
    args: Sequence[str]
    env: Sequence[str]
    domainname: str = ""
    user: Identity = ROOT
    netns: str | None = None
    namespaces: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mapping[str, Any]] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    shm_path: str | None = None
    devices: Sequence[HostDevice] = ()
    cgroup_parent: str = "/pydocker"
    available_caps: Collection[str] | None = None
    default_ulimits: Sequence[Mapping[str, Any]] = ()
    kernel: tuple[int, int] = field(default_factory=seccomp_profile.kernel_version)
    arch: str = field(default_factory=seccomp_profile.machine)


def build_spec(inputs: SpecInputs) -> dict[str, Any]:
    """The OCI runtime spec. Raises InvalidParameter for options that contradict each other."""
    host = inputs.host_config
    security = security_options(host.get("SecurityOpt") or ())
    bounding = bounding_caps(host, inputs.available_caps)
    all_mounts = mounts.assemble(host, inputs.mounts, inputs.files, _shm_path(inputs))
    spaces = _namespaces(inputs)
    private = {space["type"] for space in spaces if space["type"] != "network"}
    if inputs.netns is not None:
        private.add("network")
    parent = (host.get("CgroupParent") or inputs.cgroup_parent).rstrip("/")
    spec: dict[str, Any] = {
        "ociVersion": OCI_VERSION,
        "process": _process(inputs, security, bounding),
        "root": {"path": inputs.rootfs, "readonly": bool(host.get("ReadonlyRootfs"))},
        "mounts": all_mounts,
        "linux": {
            "namespaces": spaces,
            "cgroupsPath": f"{parent}/{inputs.container_id}",
            "resources": resources.resources(host, [device.rule for device in inputs.devices]),
            "sysctl": _sysctls(inputs, private),
            "devices": [device.node for device in inputs.devices],
        },
    }
    if "uts" in private and "uts" not in inputs.namespaces:
        spec["hostname"] = inputs.hostname
    _confine(spec["linux"], inputs, security, bounding)
    propagation = mounts.root_propagation(all_mounts)
    if propagation:
        spec["linux"]["rootfsPropagation"] = propagation
    return spec


def bounding_caps(host_config: Mapping[str, Any], available: Collection[str] | None) -> list[str]:
    """The capabilities of a container with this HostConfig."""
    return capabilities.effective(
        host_config.get("CapAdd") or (),
        host_config.get("CapDrop") or (),
        privileged=bool(host_config.get("Privileged")),
        available=available,
    )


def _process(inputs: SpecInputs, security: SecurityOptions, bounding: Sequence[str]) -> dict[str, Any]:
    host, config = inputs.host_config, inputs.config
    process: dict[str, Any] = {
        "terminal": bool(config.get("Tty")),
        "user": _user(inputs.user),
        "args": list(inputs.args),
        "env": list(inputs.env),
        "cwd": config.get("WorkingDir") or "/",
        "capabilities": capabilities.for_process(bounding, root=inputs.user.uid == 0),
        "noNewPrivileges": security.no_new_privileges,
        "oomScoreAdj": host.get("OomScoreAdj") or 0,
    }
    limits = resources.rlimits(host.get("Ulimits") or (), inputs.default_ulimits)
    if limits:
        process["rlimits"] = limits
    size = host.get("ConsoleSize") or (0, 0)
    if config.get("Tty") and size[0] and size[1]:
        process["consoleSize"] = {"height": size[0], "width": size[1]}
    return process


def _user(user: Identity) -> dict[str, Any]:
    return {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)}


def build_process(
    spec: Mapping[str, Any],
    *,
    args: Sequence[str],
    env: Sequence[str] = (),
    user: Identity | None = None,
    cwd: str = "",
    tty: bool = False,
    privileged: bool = False,
    available_caps: Collection[str] | None = None,
) -> dict[str, Any]:
    """The OCI process object of an exec in the container that runs `spec`.

    env comes on top of the container's. user None and cwd "" mean the container's own.
    privileged: all capabilities that the daemon has.
    """
    init: Mapping[str, Any] = spec["process"]
    base = [entry for entry in init["env"] if not (user and user.home and entry.startswith("HOME="))]
    merged = merge_env([*base, *(["TERM=xterm"] if tty else [])], env)
    if user and user.home and not any(entry.startswith("HOME=") for entry in merged):
        merged.append(f"HOME={user.home}")
    oci_user = _user(user) if user is not None else init["user"]
    bounding = init["capabilities"]["bounding"]
    if privileged:
        bounding = capabilities.effective((), (), privileged=True, available=available_caps)
    process: dict[str, Any] = {
        "terminal": tty,
        "user": oci_user,
        "args": list(args),
        "env": merged,
        "cwd": cwd or init["cwd"],
        "capabilities": capabilities.for_process(bounding, root=oci_user["uid"] == 0),
        "noNewPrivileges": init.get("noNewPrivileges", False),
        "oomScoreAdj": init.get("oomScoreAdj", 0),
    }
    if init.get("rlimits"):
        process["rlimits"] = init["rlimits"]
    return process


def _namespaces(inputs: SpecInputs) -> list[dict[str, Any]]:
    """Which namespaces are new, which another's (with a path), which the host's (left out)."""
    host = inputs.host_config
    spaces: list[dict[str, Any]] = [{"type": "mount"}]
    if inputs.netns is not None:
        spaces.append({"type": "network", "path": inputs.netns})
    for kind, mode in (("uts", "UTSMode"), ("pid", "PidMode"), ("ipc", "IpcMode")):
        if kind in inputs.namespaces:
            spaces.append({"type": kind, "path": inputs.namespaces[kind]})
        elif host.get(mode) != "host":
            spaces.append({"type": kind})
    if host.get("CgroupnsMode") != "host":
        spaces.append({"type": "cgroup"})
    return spaces


def _shm_path(inputs: SpecInputs) -> str | None:
    if inputs.shm_path is None and inputs.host_config.get("IpcMode") == "host":
        return "/dev/shm"
    return inputs.shm_path


def _sysctls(inputs: SpecInputs, private: set[str]) -> dict[str, str]:
    """Kernel settings of the container's own namespaces; one of a namespace it shares is refused."""
    result = dict(DEFAULT_NET_SYSCTLS) if "network" in private else {}
    if inputs.domainname and "uts" in private and "uts" not in inputs.namespaces:
        result["kernel.domainname"] = inputs.domainname
    for name, value in (inputs.host_config.get("Sysctls") or {}).items():
        space = _sysctl_namespace(name)
        if space is None:
            raise InvalidParameter(f'sysctl "{name}" is not in a separate kernel namespace')
        if space not in private:
            raise InvalidParameter(f'sysctl "{name}" not allowed in host {space} namespace')
        result[name] = str(value)
    return result


def _sysctl_namespace(name: str) -> str | None:
    if name.startswith("net."):
        return "network"
    if name in _IPC_SYSCTLS or name.startswith("fs.mqueue."):
        return "ipc"
    return "uts" if name in _UTS_SYSCTLS else None


def _confine(
    linux: dict[str, Any], inputs: SpecInputs, security: SecurityOptions, bounding: Sequence[str]
) -> None:
    """Masked and read-only paths, and the system call filter."""
    host = inputs.host_config
    open_paths = bool(host.get("Privileged")) or security.systempaths_unconfined
    for key, ours, default in (
        ("maskedPaths", "MaskedPaths", MASKED_PATHS),
        ("readonlyPaths", "ReadonlyPaths", READONLY_PATHS),
    ):
        chosen = host.get(ours)
        linux[key] = [] if open_paths else list(default if chosen is None else chosen)
    if security.seccomp == "unconfined" or (host.get("Privileged") and security.seccomp is None):
        return
    if security.seccomp is None:
        linux["seccomp"] = seccomp_profile.resolve_default(tuple(bounding), inputs.kernel, inputs.arch)
        return
    assert not isinstance(security.seccomp, str)
    linux["seccomp"] = seccomp_profile.resolve(security.seccomp, bounding, inputs.kernel, inputs.arch)

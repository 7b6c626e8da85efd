"""What clients send about containers, typed. Field names are the API's own (API 1.50).

Unknown fields are ignored; ``null`` means the field's zero value, as Go's decoder has it; a wrong
type is refused with the field's path. `as_dict` gives the plain form that the record keeps, all fields
present.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import msgspec

Str = str | None
Int = int | None
Bool = bool | None
Strings = list[str] | None
StringMap = dict[str, str | None] | None
EmptyMap = dict[str, dict[str, Any] | None] | None


class Wire(msgspec.Struct):
    """Base: after decoding no field with a default is None."""

    def __post_init__(self) -> None:
        for name, zero in _zeros(type(self)):
            if getattr(self, name) is None:
                setattr(self, name, zero())


@cache
def _zeros(kind: type[Wire]) -> list[tuple[str, Callable[[], Any]]]:
    """The fields of `kind` whose default is not None, and what makes that default."""
    zeros: list[tuple[str, Callable[[], Any]]] = []
    for info in msgspec.structs.fields(kind):
        if info.default_factory is not msgspec.NODEFAULT:
            zeros.append((info.name, info.default_factory))
        elif info.default is not msgspec.NODEFAULT and info.default is not None:
            zeros.append((info.name, partial(_same, info.default)))
    return zeros


def _same(value: Any) -> Any:
    return value


class Healthcheck(Wire, omit_defaults=True):
    """Times in nanoseconds; 0 inherits."""

    Test: Strings = None
    Interval: Int = 0
    Timeout: Int = 0
    StartPeriod: Int = 0
    StartInterval: Int = 0
    Retries: Int = 0


class Config(Wire):
    """What is portable about a container."""

    Hostname: Str = ""
    Domainname: Str = ""
    User: Str = ""
    AttachStdin: Bool = False
    AttachStdout: Bool = False
    AttachStderr: Bool = False
    ExposedPorts: EmptyMap = None
    Tty: Bool = False
    OpenStdin: Bool = False
    StdinOnce: Bool = False
    Env: Strings = None
    Cmd: list[str] | str | None = None
    Healthcheck: Healthcheck | None = None
    ArgsEscaped: Bool = False
    Image: Str = ""
    Volumes: EmptyMap = None
    WorkingDir: Str = ""
    Entrypoint: list[str] | str | None = None
    NetworkDisabled: Bool = False
    MacAddress: Str = ""
    OnBuild: Strings = None
    Labels: StringMap = None
    StopSignal: Str = ""
    StopTimeout: int | None = None
    Shell: Strings = None


class LogConfig(Wire):
    """Type "" is the daemon's default driver."""

    Type: Str = ""
    Config: StringMap = msgspec.field(default_factory=dict)


class RestartPolicy(Wire):
    """Name: "", no, always, unless-stopped, on-failure."""

    Name: Str = ""
    MaximumRetryCount: Int = 0


class PortBinding(Wire):
    """HostPort: "" for any, or one port, or a range a-b."""

    HostIp: Str = ""
    HostPort: Str = ""


class Ulimit(Wire):
    """A resource limit; -1 is unlimited."""

    Name: str
    Soft: Int = 0
    Hard: Int = 0


class Device(Wire):
    """A device node of the host inside the container."""

    PathOnHost: str
    PathInContainer: Str = ""
    CgroupPermissions: Str = "rwm"


class DeviceRequest(Wire):
    """A request for devices by capability (GPUs)."""

    Driver: Str = ""
    Count: Int = 0
    DeviceIDs: Strings = None
    Capabilities: list[list[str]] | None = None
    Options: StringMap = None


class WeightDevice(Wire):
    """Weight of a block device."""

    Path: Str = ""
    Weight: Int = 0


class ThrottleDevice(Wire):
    """Rate of a block device, in bytes or operations per second."""

    Path: Str = ""
    Rate: Int = 0


class BindOptions(Wire, omit_defaults=True):
    """Of a mount of type bind."""

    Propagation: Str = ""
    NonRecursive: Bool = False
    CreateMountpoint: Bool = False
    ReadOnlyNonRecursive: Bool = False
    ReadOnlyForceRecursive: Bool = False


class DriverConfig(Wire, omit_defaults=True):
    """Which volume driver makes a volume, and how."""

    Name: Str = ""
    Options: StringMap = None


class VolumeOptions(Wire, omit_defaults=True):
    """Of a mount of type volume."""

    NoCopy: Bool = False
    Labels: StringMap = None
    Subpath: Str = ""
    DriverConfig: DriverConfig | None = None


class TmpfsOptions(Wire, omit_defaults=True):
    """Of a mount of type tmpfs. Mode: permission bits; Options: [["noexec"], ["uid", "1"]]."""

    SizeBytes: Int = 0
    Mode: Int = 0
    Options: list[list[str]] | None = None


class Mount(Wire, omit_defaults=True):
    """One of HostConfig.Mounts."""

    Type: Str = ""
    Source: Str = ""
    Target: Str = ""
    ReadOnly: Bool = False
    Consistency: Str = ""
    BindOptions: BindOptions | None = None
    VolumeOptions: VolumeOptions | None = None
    ImageOptions: dict[str, Any] | None = None
    TmpfsOptions: TmpfsOptions | None = None


class Resources(Wire):
    """Limits, of update as well. Memory in bytes, CPU periods and quotas in microseconds."""

    CpuShares: Int = 0
    Memory: Int = 0
    NanoCpus: Int = 0
    CgroupParent: Str = ""
    BlkioWeight: Int = 0
    BlkioWeightDevice: list[WeightDevice] | None = None
    BlkioDeviceReadBps: list[ThrottleDevice] | None = None
    BlkioDeviceWriteBps: list[ThrottleDevice] | None = None
    BlkioDeviceReadIOps: list[ThrottleDevice] | None = None
    BlkioDeviceWriteIOps: list[ThrottleDevice] | None = None
    CpuPeriod: Int = 0
    CpuQuota: Int = 0
    CpuRealtimePeriod: Int = 0
    CpuRealtimeRuntime: Int = 0
    CpusetCpus: Str = ""
    CpusetMems: Str = ""
    Devices: list[Device] | None = None
    DeviceCgroupRules: Strings = None
    DeviceRequests: list[DeviceRequest] | None = None
    KernelMemory: Int = 0
    KernelMemoryTCP: Int = 0
    MemoryReservation: Int = 0
    MemorySwap: Int = 0
    MemorySwappiness: int | None = None
    OomKillDisable: bool | None = None
    PidsLimit: int | None = None
    Ulimits: list[Ulimit] | None = None
    CpuCount: Int = 0
    CpuPercent: Int = 0
    IOMaximumIOps: Int = 0
    IOMaximumBandwidth: Int = 0


class HostConfig(Resources):
    """What ties a container to its host."""

    Binds: Strings = None
    ContainerIDFile: Str = ""
    LogConfig: LogConfig | None = msgspec.field(default_factory=LogConfig)
    NetworkMode: Str = ""
    PortBindings: dict[str, list[PortBinding] | None] | None = msgspec.field(default_factory=dict)
    RestartPolicy: RestartPolicy | None = msgspec.field(default_factory=RestartPolicy)
    AutoRemove: Bool = False
    VolumeDriver: Str = ""
    VolumesFrom: Strings = None
    ConsoleSize: list[int] | None = msgspec.field(default_factory=lambda: [0, 0])
    Annotations: StringMap = None
    CapAdd: Strings = None
    CapDrop: Strings = None
    CgroupnsMode: Str = ""
    Dns: Strings = None
    DnsOptions: Strings = None
    DnsSearch: Strings = None
    ExtraHosts: Strings = None
    GroupAdd: Strings = None
    IpcMode: Str = ""
    Cgroup: Str = ""
    Links: Strings = None
    OomScoreAdj: Int = 0
    PidMode: Str = ""
    Privileged: Bool = False
    PublishAllPorts: Bool = False
    ReadonlyRootfs: Bool = False
    SecurityOpt: Strings = None
    StorageOpt: StringMap = None
    Tmpfs: StringMap = None
    UTSMode: Str = ""
    UsernsMode: Str = ""
    ShmSize: Int = 0
    Sysctls: StringMap = None
    Runtime: Str = ""
    Isolation: Str = ""
    Init: bool | None = None
    Mounts: list[Mount] | None = None
    MaskedPaths: Strings = None
    ReadonlyPaths: Strings = None


class IPAMConfig(Wire, omit_defaults=True):
    """Addresses a client asks for."""

    IPv4Address: Str = ""
    IPv6Address: Str = ""
    LinkLocalIPs: Strings = None


class EndpointSettings(Wire):
    """A container's place on one network, as clients ask for it; they may echo what inspect showed."""

    IPAMConfig: IPAMConfig | None = None
    Links: Strings = None
    Aliases: Strings = None
    MacAddress: Str = ""
    DriverOpts: StringMap = None
    GwPriority: Int = 0
    NetworkID: Str = ""


class NetworkingConfig(Wire):
    """Network name or id → settings."""

    EndpointsConfig: dict[str, EndpointSettings | None] | None = None


class CreateRequest(Config):
    """Body of `POST /containers/create`."""

    HostConfig: HostConfig | None = msgspec.field(default_factory=HostConfig)
    NetworkingConfig: NetworkingConfig | None = msgspec.field(default_factory=NetworkingConfig)


class UpdateRequest(Resources):
    """Body of `POST /containers/{id}/update`."""

    RestartPolicy: RestartPolicy | None = msgspec.field(default_factory=RestartPolicy)


class ExecCreateRequest(Wire):
    """Body of `POST /containers/{id}/exec`."""

    User: Str = ""
    Privileged: Bool = False
    Tty: Bool = False
    ConsoleSize: list[int] | None = None
    AttachStdin: Bool = False
    AttachStderr: Bool = False
    AttachStdout: Bool = False
    Detach: Bool = False
    DetachKeys: Str = ""
    Env: Strings = None
    WorkingDir: Str = ""
    Cmd: Strings = None


class ExecStartRequest(Wire):
    """Body of `POST /exec/{id}/start`."""

    Detach: Bool = False
    Tty: Bool = False
    ConsoleSize: list[int] | None = None


def as_dict(value: Wire) -> dict[str, Any]:
    """The plain form under the API's names."""
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain

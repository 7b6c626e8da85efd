"""What `docker version` and `docker info` show."""

from __future__ import annotations

import os
import platform
import socket
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.api.versions import API_VERSION, ENGINE_VERSION, MIN_API_VERSION
from engine.daemon import hostinfo
from engine.daemon.engine import Engine
from engine.driverapi import registry

PRODUCT = "Dockyard Engine"
_PYTHON = f"python{platform.python_version()}"


def version() -> dict[str, Any]:
    """The API's SystemVersion. GoVersion names what we are made with; there is no build, so no build time."""
    kernel = os.uname().release
    details = {
        "ApiVersion": API_VERSION,
        "Arch": hostinfo.architecture(),
        "BuildTime": "",
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": _PYTHON,
        "KernelVersion": kernel,
        "MinAPIVersion": MIN_API_VERSION,
        "Os": "linux",
    }
    return {
        "Platform": {"Name": PRODUCT},
        "Components": [{"Name": "Engine", "Version": ENGINE_VERSION, "Details": details}],
        "Version": ENGINE_VERSION,
        "ApiVersion": API_VERSION,
        "MinAPIVersion": MIN_API_VERSION,
        "GitCommit": "",
        "GoVersion": _PYTHON,
        "Os": "linux",
        "Arch": hostinfo.architecture(),
        "KernelVersion": kernel,
        "BuildTime": "",
    }


def info(engine: Engine) -> dict[str, Any]:
    """The API's SystemInfo. Blocks: it reads the stores, the graph driver and /sys."""
    config = engine.config
    answer: dict[str, Any] = {"ID": engine.id, "Name": socket.gethostname()}
    answer |= _counts(engine)
    answer |= _host()
    answer |= _drivers(engine)
    answer |= {
        "Debug": config.level == "debug",
        "NFd": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "NGoroutines": 0,
        "SystemTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "NEventsListener": engine.events.subscribers(),
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": _registries(config.insecure_registries, config.registry_mirrors),
        "GenericResources": None,
        "HttpProxy": os.environ.get("HTTP_PROXY", ""),
        "HttpsProxy": os.environ.get("HTTPS_PROXY", ""),
        "NoProxy": os.environ.get("NO_PROXY", ""),
        "Labels": list(config.labels),
        "ExperimentalBuild": False,
        "ServerVersion": ENGINE_VERSION,
        "DockerRootDir": str(config.data_root),
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "InitBinary": "",
        "ProductLicense": "",
        "CDISpecDirs": [],
        "Containerd": None,
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
    }
    answer["Warnings"] = _warnings(engine, answer)
    return answer


def _counts(engine: Engine) -> dict[str, Any]:
    states = Counter(container.state.status.value for container in engine.containers.list())
    return {
        "Containers": states.total(),
        "ContainersRunning": states["running"] + states["restarting"],
        "ContainersPaused": states["paused"],
        "ContainersStopped": states["created"] + states["exited"] + states["dead"] + states["removing"],
        "Images": len(engine.images.list()),
    }


def _host() -> dict[str, Any]:
    uname = os.uname()
    return {
        "OperatingSystem": hostinfo.operating_system(),
        "OSVersion": hostinfo.os_version(),
        "OSType": "linux",
        "Architecture": uname.machine,
        "KernelVersion": uname.release,
        "NCPU": hostinfo.cpus(),
        "MemTotal": hostinfo.memory_bytes(),
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": hostinfo.cgroup_version(),
        **hostinfo.limits(),
        "IPv4Forwarding": hostinfo.ip_forwarding(),
        "BridgeNfIptables": False,
        "BridgeNfIp6tables": False,
        "SecurityOptions": ["name=seccomp,profile=builtin"],
    }


def _drivers(engine: Engine) -> dict[str, Any]:
    runtime = engine.execution.name
    return {
        "Driver": engine.graph.name,
        "DriverStatus": [list(row) for row in engine.graph.status()],
        "LoggingDriver": engine.config.log_driver,
        "DefaultRuntime": runtime,
        "Runtimes": {runtime: {"path": "built-in"}},
        "Plugins": {
            "Volume": registry.names("volume"),
            "Network": registry.names("network"),
            "Authorization": None,
            "Log": registry.names("log"),
        },
    }


def _registries(insecure: tuple[str, ...], mirrors: tuple[str, ...]) -> dict[str, Any]:
    indexes = {"docker.io": {"Name": "docker.io", "Mirrors": list(mirrors), "Secure": True, "Official": True}}
    for name in insecure:
        if "/" not in name:
            indexes[name] = {"Name": name, "Mirrors": [], "Secure": False, "Official": False}
    ranges = [name for name in insecure if "/" in name]
    return {
        "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8", *ranges],
        "IndexConfigs": indexes,
        "Mirrors": list(mirrors),
    }


def _warnings(engine: Engine, answer: dict[str, Any]) -> list[str]:
    found = [
        f"WARNING: API is accessible on http://{host.removeprefix('tcp://')} without encryption.\n"
        "         Access to the remote API is equivalent to root access on the host."
        for host in engine.config.hosts
        if host.startswith("tcp://") and not (engine.config.tls or engine.config.tlsverify)
    ]
    lacking = {
        "MemoryLimit": "WARNING: No memory limit support",
        "SwapLimit": "WARNING: No swap limit support",
        "CpuCfsQuota": "WARNING: No cpu cfs quota support",
        "PidsLimit": "WARNING: No pids limit support",
        "IPv4Forwarding": "WARNING: IPv4 forwarding is disabled",
    }
    return found + [text for key, text in lacking.items() if not answer[key]]

"""Turning a host into an engine: the steps, in their order.

Each step can be repeated, so `provision` on a half-made machine goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable

from engine.client import DockerClient, TLSConfig
from engine.errdefs import DeadlineExceeded, DockyardError, InvalidParameter, Unavailable, Unsupported
from machine import certs
from machine.host import Machine
from machine.provision import bundle, facts, service
from machine.ssh import Session
from machine.store import Store, write_private

LIBRARIES = {"libseccomp.so.2": "libseccomp2", "libnftables.so.1": "libnftables1"}
PREFIX = "/opt/dockyard"
COMMANDS = {
    "pydocker": "engine.cli.main",
    "pydockerd": "engine.cli.daemon",
    "pyswarm": "swarm.cli.main",
    "pycompose": "compose.cli.main",
    "pymachine": "machine.cli.main",
}
Report = Callable[[str], None]


async def gather_facts(session: Session) -> facts.Facts:
    """Ask the host what it is."""
    return facts.parse(await session.run(facts.COMMAND))


def check_supported(found: facts.Facts) -> None:
    """Unsupported, with what to do, for a host that we can't turn into an engine."""
    if found.python == "none":
        raise Unsupported(f"{found.os_name} has no python3: install Python {bundle.PYTHON} there first")
    if not bundle.fits(found):
        raise Unsupported(
            f"the host has Python {found.python} on {found.machine}, the installation here is for Python "
            f"{bundle.PYTHON}: run pymachine with the host's Python version, or install {bundle.PYTHON} there"
        )
    missing = LIBRARIES.keys() - found.libraries
    if missing and found.installer != "apt-get":
        raise Unsupported(f"{found.os_name} lacks {', '.join(sorted(missing))}: install them there first")


async def install_libraries(session: Session, found: facts.Facts) -> None:
    """The C libraries that the engine loads, from the distribution; waits for a running apt."""
    packages = [package for library, package in LIBRARIES.items() if library not in found.libraries]
    if packages:
        wait = "-o DPkg::Lock::Timeout=300"
        await session.run(
            f"export DEBIAN_FRONTEND=noninteractive; apt-get {wait} update -q && "
            f"apt-get {wait} install -qy --no-install-recommends {shlex.join(packages)}"
        )


async def install_engine(session: Session) -> None:
    """Upload the bundle and make the commands; the new tree replaces the old one in one rename."""
    archive = await asyncio.to_thread(bundle.build)
    await session.upload(archive, f"{PREFIX}/bundle.tar.gz", mode="0600")
    await session.run(
        f"cd {PREFIX} && rm -rf lib.new lib.old && mkdir lib.new && tar -xzf bundle.tar.gz -C lib.new && "
        "rm bundle.tar.gz && { [ ! -e lib ] || mv lib lib.old; } && mv lib.new lib && rm -rf lib.old && "
        "python3 -m compileall -q lib >/dev/null 2>&1 || true"
    )
    for name, module in COMMANDS.items():
        script = (
            "#!/bin/sh\n"
            f'exec python3 -c \'import sys; sys.path.insert(0, "{PREFIX}/lib"); sys.argv[0] = "{name}"; '
            f'from {module} import main; sys.exit(main())\' "$@"\n'
        )
        await session.upload(script.encode(), f"/usr/local/bin/{name}", mode="0755")


async def install_certificates(session: Session, machine: Machine, store: Store) -> None:
    """A server certificate for this machine's names, there and here, and the client's beside it."""
    organisation = f"{machine.name}"
    ca = await asyncio.to_thread(certs.bootstrap, store.certs, "dockyard")
    names = [
        *machine.record.host_options.auth_options.server_cert_sans,
        machine.ip(),
        machine.name,
        "localhost",
    ]
    pair = await asyncio.to_thread(certs.server, ca, organisation, [*names, "127.0.0.1"])
    pair.write(machine.directory / "server.pem", machine.directory / "server-key.pem")
    for name in ("ca.pem", "cert.pem", "key.pem"):
        write_private(machine.directory / name, (store.certs / name).read_bytes())
    for name, mode in (("ca.pem", "0644"), ("server.pem", "0644"), ("server-key.pem", "0600")):
        await session.upload((machine.directory / name).read_bytes(), f"{service.CERTS}/{name}", mode=mode)


async def start_engine(session: Session, machine: Machine, found: facts.Facts) -> None:
    """Write the service and (re)start it."""
    options = machine.record.host_options.engine_options
    port = int(machine.driver.url().rpartition(":")[2])
    command = service.daemon_command(options, port, machine.record.driver_name)
    if found.init == "systemd":
        await session.upload(service.systemd_unit(command, options.env).encode(), service.UNIT)
        await session.run(
            "systemctl daemon-reload && systemctl enable -q pydocker && systemctl restart pydocker"
        )
    else:
        await session.upload(service.supervisor(command, options.env).encode(), service.SCRIPT, mode="0755")
        await session.run(f"{service.SCRIPT} restart")


async def check_engine(machine: Machine, *, timeout: float = 30.0) -> str:
    """Connect as `docker --tlsverify` would; the engine's version once it answers."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    tls = TLSConfig.from_directory(machine.directory)
    async with DockerClient(machine.driver.url(), tls, connect_timeout=5) as docker:
        while True:
            try:
                return str((await docker.version())["Version"])
            except Unavailable as exc:
                if loop.time() > deadline:
                    raise DeadlineExceeded(f"the engine on {machine.name} does not answer: {exc}") from exc
            await asyncio.sleep(0.2)


async def engine_log(session: Session) -> str:
    """The last lines the engine printed, for an error message."""
    try:
        return await session.run(
            f"tail -n 15 {service.LOG} 2>/dev/null || journalctl -u pydocker -n 15 --no-pager", check=False
        )
    except DockyardError:
        return ""


async def provision(machine: Machine, store: Store, session: Session, report: Report) -> str:
    """All steps; returns the version of the engine that now answers."""
    report("Detecting the operating system...")
    found = await gather_facts(session)
    report(f"Found {found.os_name}; Python {found.python}, {found.init} init")
    check_supported(found)
    if found.init == "systemd" or machine.record.driver_name != "generic":
        await session.run(f"hostnamectl set-hostname {shlex.quote(machine.name)} || true")
    report("Installing Dockyard...")
    await install_libraries(session, found)
    await install_engine(session)
    report("Copying certs to the remote machine...")
    await install_certificates(session, machine, store)
    report("Starting the engine...")
    await start_engine(session, machine, found)
    report("Checking connection to Docker...")
    try:
        return await check_engine(machine)
    except (DeadlineExceeded, InvalidParameter) as exc:
        raise type(exc)(f"{exc}\n{await engine_log(session)}") from exc

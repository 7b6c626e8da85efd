"""Creating and removing machines: the order of things, and what is kept when it goes wrong."""

from __future__ import annotations

from collections.abc import Callable

from engine.errdefs import DockyardError, InvalidParameter
from machine import certs, ssh
from machine.host import Machine, Record
from machine.provision import provisioner
from machine.store import Store

Report = Callable[[str], None]


class PreCreateError(InvalidParameter):
    """The driver knows beforehand that it can't; nothing was made."""

    exit_code = 3


async def create(store: Store, record: Record, report: Report, *, timeout: float = 300.0) -> Machine:
    """Make the host, provision it, and check that its engine answers over TLS.

    A failed pre-create check leaves nothing. A failure later leaves the record, so that
    `pymachine provision` can go on and `pymachine rm` can clean up; the message says so.
    """
    certs.bootstrap(store.certs, "dockyard")
    machine = store.add(record)
    report("Running pre-create checks...")
    try:
        await machine.driver.pre_create_check()
    except DockyardError as exc:
        store.remove(record.name)
        raise PreCreateError(f"Error with pre-create check: {exc}") from exc
    try:
        report("Creating machine...")
        await machine.driver.create()
        store.save(machine)
        await provision(store, machine, report, timeout=timeout)
    except DockyardError as exc:
        raise type(exc)(
            f"Error creating machine: {exc}\nWhat there is of {record.name!r} was kept: "
            f"`pymachine provision {record.name}` goes on, `pymachine rm {record.name}` removes it"
        ) from exc
    return machine


async def provision(store: Store, machine: Machine, report: Report, *, timeout: float = 300.0) -> None:
    """(Re)install the engine on a machine whose host is there. Drivers without SSH need none."""
    target = machine.driver.ssh()
    if target is not None:
        report("Waiting for SSH to be available...")
        session = await ssh.wait_for(target, machine.known_hosts, timeout=timeout, report=report)
        async with session:
            version = await provisioner.provision(machine, store, session, report)
        report(f"Dockyard {version} is up and running!")
    machine.record.provisioned = True
    store.save(machine)


async def remove(store: Store, machine: Machine, *, force: bool) -> None:
    """Take the host away and forget it; with `force` it is forgotten even if the host can't be removed."""
    try:
        await machine.driver.remove()
    except DockyardError:
        if not force:
            raise
    store.remove(machine.name)

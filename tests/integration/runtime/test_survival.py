"""Containers outlive the driver, the spawner and, as an exit status, their own monitor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from drivers.execution.native import NativeDriver
from engine.driverapi.execution import IOConfig
from engine.errdefs import DockyardError
from tests.contract.execution_lab import Container, Lab

pytestmark = pytest.mark.root


def native(lab: Lab) -> NativeDriver:
    assert isinstance(lab.driver, NativeDriver)
    return lab.driver


async def new_driver(lab: Lab) -> None:
    """The daemon goes, another comes."""
    await lab.driver.close()
    lab.driver = NativeDriver(lab.root / "exec", {})
    await lab.driver.open()


def monitor_pid(lab: Lab, container: Container) -> int:
    state = json.loads((lab.root / "exec/containers" / container.id / "state.json").read_text())
    assert isinstance(state["monitor"], int)
    return state["monitor"]


async def gone(pid: int) -> None:
    while Path(f"/proc/{pid}").exists():
        await asyncio.sleep(0.01)


async def test_a_running_container_is_found_again(lab: Lab) -> None:
    container = await lab.start("sh", "-c", "echo one; read x; echo $x; exit 6", io=IOConfig(stdin=True))
    assert container.attachment is not None
    await container.attachment.reader.readexactly(8 + 4)
    container.attachment.close()
    pid = (await lab.driver.pids(container.id))[0]
    await new_driver(lab)
    state = await lab.driver.restore(container.id, container.state_dir)
    assert state is not None and (state.status, state.pid) == ("running", pid)
    assert (await lab.exec(container, "echo", "still here")) == (0, b"still here\n")
    attachment = await lab.driver.attach(container.id, stdin=True, stdout=True, stderr=True)
    attachment.writer.write(b"two\n")
    assert (await lab.read(attachment))[0] == b"two\n"
    assert (await lab.driver.wait(container.id)).code == 6
    assert [json.loads(line)["log"] for line in container.log.splitlines()] == ["one\n", "two\n"]


async def test_an_exit_while_nobody_watches_is_kept(lab: Lab) -> None:
    container = await lab.start(
        "sh", "-c", "read x; echo last words; exit 9", io=IOConfig(stdin=True, stdin_once=True)
    )
    monitor = monitor_pid(lab, container)
    await lab.driver.close()
    assert container.attachment is not None
    container.attachment.close()
    await gone(monitor)  # it does not wait for a daemon
    lab.driver = NativeDriver(lab.root / "exec", {})
    await lab.driver.open()
    state = await lab.driver.restore(container.id, container.state_dir)
    assert state is not None and state.status == "stopped"
    assert state.exit is not None and state.exit.code == 9
    assert b"last words" in container.log


async def test_an_exit_is_on_disk_before_it_is_told(lab: Lab) -> None:
    outcome = await lab.run("sh", "-c", "exit 3")
    assert json.loads((outcome.container.state_dir / "exit.json").read_text())["code"] == 3
    await lab.driver.delete(outcome.container.id)
    await new_driver(lab)


async def test_a_killed_spawner_is_replaced(lab: Lab) -> None:
    container = await lab.start("sh", "-c", "sleep 0.2; exit 2")
    before = native(lab)._spawner.pid
    os.kill(before, signal.SIGKILL)
    await gone_or_zombie(before)
    outcomes = await asyncio.gather(*(lab.run("echo", "hi") for _ in range(4)))
    assert [outcome.text for outcome in outcomes] == ["hi"] * 4
    assert native(lab)._spawner.pid not in (0, before)
    assert (await lab.driver.wait(container.id)).code == 2


async def gone_or_zombie(pid: int) -> None:
    while Path(f"/proc/{pid}/exe").exists():
        await asyncio.sleep(0.01)


async def test_the_spawner_ends_with_the_driver(lab: Lab) -> None:
    spawner = native(lab)._spawner.pid
    await lab.driver.close()
    assert not Path(f"/proc/{spawner}").exists()
    await lab.driver.open()


async def test_a_killed_monitor_ends_its_container_with_137(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    pids = await lab.driver.pids(container.id)
    waiter = asyncio.create_task(lab.driver.wait(container.id))
    await asyncio.sleep(0)
    os.kill(monitor_pid(lab, container), signal.SIGKILL)
    assert (await asyncio.wait_for(waiter, 10)).code == 137
    for pid in pids:
        await gone(pid)
    await lab.driver.delete(container.id)
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{container.id}"))
    assert not (lab.root / "exec/containers" / container.id).exists()


async def test_a_monitor_killed_while_no_daemon_ran_is_noticed(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    pids = await lab.driver.pids(container.id)
    os.kill(monitor_pid(lab, container), signal.SIGKILL)
    await new_driver(lab)
    state = await lab.driver.restore(container.id, container.state_dir)
    assert (
        state is not None and state.exit is not None and (state.status, state.exit.code) == ("stopped", 137)
    )
    for pid in pids:
        await gone(pid)
    assert (await lab.driver.wait(container.id)).code == 137


async def test_a_container_created_but_not_started_survives(lab: Lab) -> None:
    container = await lab.create("sh", "-c", "exit 8")
    await new_driver(lab)
    state = await lab.driver.restore(container.id, container.state_dir)
    assert state is not None and state.status == "created"
    await lab.driver.start(container.id)
    assert (await lab.driver.wait(container.id)).code == 8


async def test_orphans_are_reaped(lab: Lab) -> None:
    """A daemonised grandchild becomes a child of pid 1, or without a pid namespace the monitor's."""
    container = await lab.start("sleep", "100", namespaces=("mount", "uts", "ipc", "network"))
    code, _ = await lab.exec(container, "sh", "-c", "(setsid sh -c 'sleep 0.05' >/dev/null 2>&1 &) ; true")
    assert code == 0
    monitor = monitor_pid(lab, container)
    children = Path(f"/proc/{monitor}/task/{monitor}/children")
    while len(children.read_text().split()) > 1:
        await asyncio.sleep(0.02)
    assert len(children.read_text().split()) == 1


async def test_a_monitor_costs_little_memory(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    smaps = Path(f"/proc/{monitor_pid(lab, container)}/smaps_rollup").read_text()
    private = sum(int(line.split()[1]) for line in smaps.splitlines() if line.startswith("Private"))
    assert private <= 3 * 1024, f"{private} KiB"


async def test_nothing_is_left_of_many_lives(lab: Lab) -> None:
    for _ in range(5):
        outcomes = await asyncio.gather(*(lab.run("true") for _ in range(4)))
        for outcome in outcomes:
            await lab.driver.delete(outcome.container.id)
    assert list((lab.root / "exec/containers").iterdir()) == []
    assert not list(Path(f"/sys/fs/cgroup/memory/dockyard-test-{os.getpid()}").glob("0*"))


async def test_stage_times_are_told_in_order(lab: Lab) -> None:
    outcome = await lab.run("true")
    times = native(lab).timings(outcome.container.id)
    assert list(times) == [
        *("create", "received", "cgroup", "forked", "namespaces", "rootfs", "ready", "created"),
        *("start", "go", "executed", "started"),
    ]
    assert times["create"] == times["start"] == 0 < times["executed"] < times["started"]


async def test_a_wait_goes_on_over_a_restored_connection(lab: Lab) -> None:
    container = await lab.start("sh", "-c", "read x; exit 4", io=IOConfig(stdin=True, stdin_once=True))
    waiter = asyncio.create_task(lab.driver.wait(container.id))
    await asyncio.sleep(0)
    assert await lab.driver.restore(container.id, container.state_dir) is not None
    await asyncio.sleep(0.05)
    assert not waiter.done() and await lab.driver.pids(container.id) != []
    assert container.attachment is not None
    container.attachment.writer.write_eof()
    assert (await asyncio.wait_for(waiter, 10)).code == 4


async def test_a_create_that_its_caller_gave_up_leaves_nothing(lab: Lab) -> None:
    for delay in (0.0, 0.001, 0.003, 0.006):
        task = asyncio.create_task(lab.create("sleep", "100"))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    containers = lab.root / "exec/containers"
    async with asyncio.timeout(10):
        while any(containers.iterdir()) or list(
            Path("/sys/fs/cgroup").glob(f"*/dockyard-test-{os.getpid()}/0*")
        ):
            done = [c.id for c in lab.containers if (containers / c.id).exists()]
            for container_id in done:  # the last one may have been quick enough
                if container_id in native(lab)._containers:
                    await lab.driver.delete(container_id)
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_spawners_and_monitors_killed_at_random_lose_and_leak_nothing(lab: Lab) -> None:
    import random

    chance = random.Random(7)
    told: dict[str, int] = {}

    async def life(number: int) -> None:
        try:
            outcome = await lab.run("sh", "-c", f"echo {number}; exit {number % 100}")
            told[outcome.container.id] = outcome.status.code
            assert outcome.status.code in (number % 100, 137)
        except (DockyardError, OSError):
            pass  # a monitor that is killed takes its request with it

    async def chaos() -> None:
        while True:
            await asyncio.sleep(chance.uniform(0.005, 0.03))
            victim = native(lab)._spawner.pid
            if chance.random() < 0.7:
                children = Path(f"/proc/{victim}/task/{victim}/children")
                monitors = [int(pid) for pid in children.read_text().split()] if children.exists() else []
                victim = chance.choice(monitors) if monitors else 0
            if victim:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)

    killer = asyncio.create_task(chaos())
    for start in range(0, 120, 8):
        await asyncio.gather(*(life(number) for number in range(start, start + 8)))
    killer.cancel()
    assert len(told) > 20
    for container in lab.containers:
        await lab.driver.delete(container.id)
    assert (await lab.run("echo", "fine")).text == "fine"
    await lab.driver.delete(lab.containers[-1].id)
    assert list((lab.root / "exec/containers").iterdir()) == []
    assert not list(Path("/sys/fs/cgroup").glob(f"*/dockyard-test-{os.getpid()}/0*"))


async def test_programs_that_end_at_once_are_not_taken_for_killed(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    for _ in range(10):
        # The end of one is seen while another has just executed, and has ended too.
        ended = await asyncio.gather(*(lab.exec(container, "true") for _ in range(10)))
        assert [code for code, _ in ended] == [0] * 10

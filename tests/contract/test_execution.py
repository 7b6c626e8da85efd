"""What every execution driver promises (engine/driverapi/execution.py)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.driverapi.execution import IOConfig
from engine.errdefs import Conflict, NotFound, StartFailure
from tests.contract.execution_lab import Lab, open_lab

pytestmark = pytest.mark.root


@pytest.fixture(params=["native"])
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    made = await open_lab(request.param, tmp_path)
    try:
        yield made
    finally:
        await made.close()


async def test_output_and_exit_code_come_through(lab: Lab) -> None:
    outcome = await lab.run("sh", "-c", "echo out; echo err >&2; exit 7")
    assert (outcome.status.code, outcome.stdout, outcome.stderr) == (7, b"out\n", b"err\n")
    assert not outcome.status.oom_killed


async def test_a_signal_gives_128_and_its_number(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    await lab.driver.kill(container.id, signal.SIGKILL)
    assert (await lab.driver.wait(container.id)).code == 137


async def test_a_handled_signal_reaches_the_program(lab: Lab) -> None:
    container = await lab.start("sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done")
    assert container.attachment is not None
    await container.attachment.reader.readexactly(8 + 6)
    await lab.driver.kill(container.id, signal.SIGTERM)
    assert (await lab.driver.wait(container.id)).code == 5


async def test_nothing_runs_before_start(lab: Lab) -> None:
    container = await lab.create("touch", "/tmp/started")
    state = await lab.driver.restore(container.id, container.state_dir)
    assert state is not None and state.status == "created" and state.pid > 0
    assert not (lab.rootfs / "tmp/started").exists()
    await lab.driver.start(container.id)
    assert (await lab.driver.wait(container.id)).code == 0
    assert (lab.rootfs / "tmp/started").exists()


@pytest.mark.parametrize(
    ("command", "message", "code"),
    [
        ("nosuch", 'exec: "nosuch": executable file not found in $PATH', 127),
        ("/nofile", 'exec: "/nofile": stat /nofile: no such file or directory', 127),
        ("/etc/not-executable", 'exec: "/etc/not-executable": permission denied', 126),
        ("/", 'exec: "/": is a directory', 126),
    ],
)
async def test_a_command_that_cannot_run(lab: Lab, command: str, message: str, code: int) -> None:
    with pytest.raises(StartFailure) as caught:
        await lab.start(command)
    assert message in str(caught.value)
    assert caught.value.exit_code == code


async def test_a_failed_create_leaves_nothing(lab: Lab) -> None:
    with pytest.raises(StartFailure) as caught:
        await lab.create(
            "true",
            mounts=[{"destination": "/x", "type": "bind", "source": "/no/such/dir", "options": ["rbind"]}],
        )
    assert "/no/such/dir" in str(caught.value) and "no such file or directory" in str(caught.value)
    container = lab.containers[-1]
    assert await lab.driver.restore(container.id, container.state_dir) is None
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{container.id}"))


async def test_wait_answers_all_who_ask_before_and_after(lab: Lab) -> None:
    container = await lab.start("sh", "-c", "read x; exit 3", io=IOConfig(stdin=True, stdin_once=True))
    waiters = [asyncio.create_task(lab.driver.wait(container.id)) for _ in range(3)]
    await asyncio.sleep(0)
    assert container.attachment is not None
    container.attachment.writer.write_eof()
    assert {(await waiter).code for waiter in waiters} == {3}
    assert (await lab.driver.wait(container.id)).code == 3


async def test_kill_of_an_ended_process_is_not_found(lab: Lab) -> None:
    outcome = await lab.run("true")
    with pytest.raises(NotFound):
        await lab.driver.kill(outcome.container.id, signal.SIGTERM)


async def test_delete_kills_and_forgets(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    pids = await lab.driver.pids(container.id)
    await lab.driver.delete(container.id)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(NotFound):
        await lab.driver.wait(container.id)
    await lab.driver.delete(container.id)  # again, and nothing happens


async def test_create_of_a_taken_id_is_a_conflict(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    with pytest.raises(Conflict):
        await lab.driver.create(container.id, container.spec, container.io, container.state_dir)
    assert (await lab.driver.pids(container.id)) != []


async def test_standard_input_reaches_the_program_and_ends(lab: Lab) -> None:
    data = os.urandom(300_000)
    outcome = await lab.run("sh", "-c", "cat | sha256sum", input=data)
    import hashlib

    assert outcome.text.split()[0] == hashlib.sha256(data).hexdigest()


async def test_standard_input_is_the_null_device_unless_kept(lab: Lab) -> None:
    outcome = await lab.run("cat")
    assert outcome.status.code == 0 and outcome.stdout == b""


async def test_input_stays_open_without_stdin_once(lab: Lab) -> None:
    container = await lab.start(
        "sh", "-c", "read a; echo got $a; read b; echo got $b", io=IOConfig(stdin=True)
    )
    assert container.attachment is not None
    container.attachment.writer.write(b"one\n")
    container.attachment.writer.write_eof()
    await container.attachment.reader.readexactly(8 + 8)
    second = await lab.driver.attach(container.id, stdin=True, stdout=False, stderr=False)
    second.writer.write(b"two\n")
    assert (await lab.read(container.attachment))[0] == b"got two\n"
    assert (await lab.driver.wait(container.id)).code == 0
    second.close()


async def test_several_attachments_see_the_same(lab: Lab) -> None:
    container = await lab.create("sh", "-c", "echo a; echo b >&2")
    everything = await lab.driver.attach(container.id, stdin=False, stdout=True, stderr=True)
    errors = await lab.driver.attach(container.id, stdin=False, stdout=False, stderr=True)
    await lab.driver.start(container.id)
    assert await lab.read(everything) == (b"a\n", b"b\n")
    assert await lab.read(errors) == (b"", b"b\n")


async def test_a_large_burst_is_complete_in_attachment_and_log(lab: Lab) -> None:
    outcome = await lab.run("sh", "-c", "seq 1 40000")
    expected = b"".join(b"%d\n" % number for number in range(1, 40001))
    assert outcome.stdout == expected
    import json

    logged = "".join(json.loads(line)["log"] for line in outcome.container.log.splitlines())
    assert logged.encode() == expected


async def test_a_terminal_is_one_raw_stream_with_a_size(lab: Lab) -> None:
    container = await lab.start(
        "sh",
        "-c",
        "tty; stty size; read x; stty size; echo err >&2",
        io=IOConfig(tty=True, stdin=True),
        process={"terminal": True, "consoleSize": {"height": 11, "width": 22}},
    )
    attachment = container.attachment
    assert attachment is not None
    assert await attachment.reader.readuntil(b"11 22\r\n")
    await lab.driver.resize(container.id, 33, 44)
    attachment.writer.write(b"\n")
    out, _ = await lab.read(attachment, tty=True)
    assert b"33 44\r\nerr\r\n" in out
    assert (await lab.driver.wait(container.id)).code == 0


async def test_exec_runs_beside_init_in_the_same_namespaces(lab: Lab) -> None:
    container = await lab.start("sh", "-c", "hostname inside-$(hostname); exec sleep 100", process={})
    code, out = await lab.exec(
        container, "sh", "-c", "ps | grep -c 'sleep 10[0]'; id -u; pwd; exit 9", cwd="/tmp"
    )
    assert (code, out) == (9, b"1\n0\n/tmp\n")


async def test_exec_has_its_own_input_user_and_environment(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    members = {"user": {"uid": 1000, "gid": 1000, "additionalGids": [7]}, "env": ["PATH=/bin", "A=b c"]}
    code, out = await lab.exec(
        container, "sh", "-c", "id -u; id -G; echo $A; echo $HOME; cat", input=b"input", **members
    )
    assert (code, out) == (0, b"1000\n1000 7\nb c\n/home/alice\ninput")


async def test_exec_of_a_missing_command(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    with pytest.raises(StartFailure) as caught:
        await lab.exec(container, "nosuch")
    assert caught.value.exit_code == 127
    assert 'exec: "nosuch": executable file not found in $PATH' in str(caught.value)
    assert (await lab.exec(container, "true"))[0] == 0


async def test_exec_in_a_missing_directory(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    with pytest.raises(StartFailure) as caught:
        await lab.exec(container, "true", cwd="/nowhere")
    assert 'chdir to cwd ("/nowhere") set in config.json failed: no such file or directory' in str(
        caught.value
    )


async def test_exec_needs_a_running_container(lab: Lab) -> None:
    outcome = await lab.run("true")
    with pytest.raises(Conflict):
        await lab.exec(outcome.container, "true")


async def test_an_exec_can_be_killed_alone(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    await lab.driver.exec(
        container.id, "e", {**container.spec["process"], "args": ["sleep", "99"]}, IOConfig()
    )
    await lab.driver.exec_start(container.id, "e")
    await lab.driver.kill(container.id, signal.SIGKILL, "e")
    assert (await lab.driver.wait(container.id, "e")).code == 137
    assert await lab.driver.pids(container.id) != []


async def test_pause_and_resume(lab: Lab) -> None:
    container = await lab.start("sh", "-c", "while :; do echo tick; sleep 0.02; done")
    await lab.driver.pause(container.id)
    state = await lab.driver.restore(container.id, container.state_dir)
    assert state is not None and state.status == "paused"
    size = len(container.log)
    await asyncio.sleep(0.2)
    assert len(container.log) == size
    await lab.driver.resume(container.id)
    state = await lab.driver.restore(container.id, container.state_dir)
    assert state is not None and state.status == "running"
    while len(container.log) == size:
        await asyncio.sleep(0.01)


async def test_a_paused_container_can_be_deleted(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    await lab.driver.pause(container.id)
    await lab.driver.delete(container.id)
    assert await lab.driver.restore(container.id, Path("/nonexistent")) is None


async def test_memory_limit_kills_and_says_so(lab: Lab) -> None:
    outcome = await lab.run(
        "sh",
        "-c",
        "x=a; while :; do x=$x$x; done",
        resources={"memory": {"limit": 16 << 20, "swap": 16 << 20}},
    )
    assert (outcome.status.code, outcome.status.oom_killed) == (137, True)


async def test_pids_limit_refuses_forks(lab: Lab) -> None:
    outcome = await lab.run(
        "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait", resources={"pids": {"limit": 4}}
    )
    assert b"can't fork" in outcome.stderr


async def test_stats_have_the_apis_shape(lab: Lab) -> None:
    container = await lab.start("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 100")
    stats = await lab.driver.stats(container.id)
    assert set(stats) == {"cpu_stats", "memory_stats", "pids_stats", "blkio_stats"}
    assert stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert stats["cpu_stats"]["system_cpu_usage"] > stats["cpu_stats"]["cpu_usage"]["total_usage"]
    assert 0 < stats["memory_stats"]["usage"] < stats["memory_stats"]["limit"]
    assert stats["pids_stats"]["current"] >= 1


async def test_update_changes_limits_of_a_running_container(lab: Lab) -> None:
    container = await lab.start("sleep", "100", resources={"memory": {"limit": 64 << 20, "swap": 64 << 20}})
    assert (await lab.driver.stats(container.id))["memory_stats"]["limit"] == 64 << 20
    for limit in (128 << 20, 32 << 20):
        await lab.driver.update(
            container.id, {"memory": {"limit": limit, "swap": limit}, "pids": {"limit": 9}}
        )
        stats = await lab.driver.stats(container.id)
        assert (stats["memory_stats"]["limit"], stats["pids_stats"]["limit"]) == (limit, 9)


async def test_sixteen_at_once(lab: Lab) -> None:
    outcomes = await asyncio.gather(*(lab.run("sh", "-c", f"echo {n}; exit {n}") for n in range(16)))
    assert [(o.text, o.status.code) for o in outcomes] == [(str(n), n) for n in range(16)]


async def test_unknown_containers_are_not_found(lab: Lab) -> None:
    for call in (
        lab.driver.start("x"),
        lab.driver.wait("x"),
        lab.driver.kill("x", 15),
        lab.driver.pause("x"),
        lab.driver.stats("x"),
        lab.driver.attach("x", stdin=False, stdout=True, stderr=True),
    ):
        with pytest.raises(NotFound):
            await call
    assert await lab.driver.restore("x", lab.root) is None

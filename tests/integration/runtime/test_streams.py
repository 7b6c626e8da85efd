"""Output, input and logs where they get difficult."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from engine.driverapi.execution import IOConfig
from tests.contract.execution_lab import Lab

pytestmark = pytest.mark.root


def logged(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


async def test_a_log_record_is_dockers(lab: Lab) -> None:
    (lab.rootfs / "text").write_bytes(b'a\n<"\\\xc3\xa4\xff\n')
    outcome = await lab.run(
        "sh", "-c", "cat /text; echo err >&2; printf end", io=IOConfig(log_attrs={"k": "v"})
    )
    records = logged(outcome.container.state_dir / "log")
    assert {(record["stream"], record["log"]) for record in records} == {
        ("stdout", "a\n"),
        ("stdout", '<"\\ä\ufffd\n'),
        ("stderr", "err\n"),
        ("stdout", "end"),
    }
    assert all(record["attrs"] == {"k": "v"} for record in records)
    import re

    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", record["time"]) for record in records
    )


async def test_a_long_line_is_logged_in_parts(lab: Lab) -> None:
    outcome = await lab.run("sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; echo short")
    lines = [record["log"] for record in logged(outcome.container.state_dir / "log")]
    assert [len(line) for line in lines] == [16384, 16384, 40000 - 2 * 16384 + 1, 6]
    assert "".join(lines) == "x" * 40000 + "\nshort\n"


async def test_logs_rotate(lab: Lab) -> None:
    io = IOConfig(log_max_size=2000, log_max_file=3)
    outcome = await lab.run("seq", "1", "200", io=io)
    state = outcome.container.state_dir
    files = sorted(path.name for path in state.iterdir() if path.name.startswith("log"))
    assert files == ["log", "log.1", "log.2"]
    assert all((state / name).stat().st_size < 2200 for name in files)
    numbers = [int(r["log"]) for name in ("log.2", "log.1", "log") for r in logged(state / name)]
    assert numbers == list(range(numbers[0], 201))


async def test_one_file_is_truncated(lab: Lab) -> None:
    outcome = await lab.run("seq", "1", "200", io=IOConfig(log_max_size=2000, log_max_file=1))
    state = outcome.container.state_dir
    assert [path.name for path in state.iterdir() if path.name.startswith("log")] == ["log"]
    assert logged(state / "log")[-1]["log"] == "200\n"


async def test_without_a_log_output_still_reaches_attachments(lab: Lab) -> None:
    container = await lab.create("echo", "seen")
    await lab.driver.delete(container.id)
    await lab.driver.create(container.id, container.spec, IOConfig(log_path=None), container.state_dir)
    attachment = await lab.driver.attach(container.id, stdin=False, stdout=True, stderr=True)
    await lab.driver.start(container.id)
    assert (await lab.read(attachment))[0] == b"seen\n"
    assert (await lab.driver.wait(container.id)).code == 0


async def test_a_slow_reader_gets_everything(lab: Lab) -> None:
    container = await lab.start("sh", "-c", "seq 1 600000")  # 4 MB, beyond every buffer on the way
    assert container.attachment is not None
    await asyncio.sleep(1)
    stdout, _ = await lab.read(container.attachment)
    assert stdout.count(b"\n") == 600000 and stdout.endswith(b"600000\n")
    assert (await lab.driver.wait(container.id)).code == 0


@pytest.mark.slow
async def test_a_reader_that_takes_nothing_is_dropped(lab: Lab) -> None:
    container = await lab.start("sh", "-c", "seq 1 600000")
    other = await lab.driver.attach(container.id, stdin=False, stdout=True, stderr=True)
    assert container.attachment is not None
    stdout, _ = await lab.read(other)  # waits for the stalled one, but not for ever
    assert stdout.endswith(b"600000\n")
    assert (await lab.driver.wait(container.id)).code == 0
    _, _ = await lab.read(container.attachment)


async def test_a_client_that_hangs_up_does_no_harm(lab: Lab) -> None:
    container = await lab.start("sh", "-c", "i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); done; exit 1")
    assert container.attachment is not None
    container.attachment.close()
    assert (await lab.driver.wait(container.id)).code == 1
    assert len(logged(container.state_dir / "log")) == 300


async def test_output_of_a_background_child_is_not_waited_for(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    code, out = await asyncio.wait_for(lab.exec(container, "sh", "-c", "sleep 50 & echo started"), 10)
    assert (code, out) == (0, b"started\n")


async def test_control_characters_reach_the_foreground_process(lab: Lab) -> None:
    container = await lab.start(
        "sh",
        "-c",
        "trap 'echo int; exit 4' INT; echo ready; sleep 100 & wait",
        io=IOConfig(tty=True, stdin=True),
    )
    assert container.attachment is not None
    await container.attachment.reader.readuntil(b"ready\r\n")
    container.attachment.writer.write(b"\x03")
    out, _ = await lab.read(container.attachment, tty=True)
    assert b"int" in out
    assert (await lab.driver.wait(container.id)).code == 4


async def test_an_exec_with_a_terminal_is_resized(lab: Lab) -> None:
    container = await lab.start("sleep", "100")
    process = {**container.spec["process"], "args": ["sh", "-c", "read x; stty size"], "terminal": True}
    await lab.driver.exec(container.id, "e", process, IOConfig(tty=True, stdin=True))
    attachment = await lab.driver.attach(container.id, "e", stdin=True, stdout=True, stderr=True)
    await lab.driver.exec_start(container.id, "e")
    await lab.driver.resize(container.id, 12, 34, "e")
    attachment.writer.write(b"\n")
    out, _ = await lab.read(attachment, tty=True)
    assert b"12 34\r\n" in out
    assert (await lab.driver.wait(container.id, "e")).code == 0


async def test_input_beyond_every_buffer_waits_for_a_slow_program(lab: Lab) -> None:
    data = b"x" * 2_000_000
    outcome = await lab.run("sh", "-c", "sleep 0.5; wc -c", input=data)
    assert outcome.text == "2000000"


async def test_input_of_a_program_that_does_not_read_is_swallowed(lab: Lab) -> None:
    outcome = await lab.run("sh", "-c", "exec <&-; sleep 0.2; exit 3", input=b"x" * 500_000)
    assert outcome.status.code == 3

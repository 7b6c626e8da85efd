import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from drivers.log.json_file import JsonFileDriver
from engine.driverapi.execution import IOConfig
from engine.driverapi.log import ReadOptions
from engine.errdefs import InvalidParameter
from engine.shim.logwriter import LogWriter

ID = "c1"
driver = JsonFileDriver()


def write(path: Path, lines: list[str], stream: str = "stdout", start: int = 0) -> None:
    with path.open("a") as file:
        for index, line in enumerate(lines, start):
            second = f"{index // 60:02d}:{index % 60:02d}"
            file.write(f'{{"log":"{line}\\n","stream":"{stream}","time":"1970-01-01T00:{second}.5Z"}}\n')


async def texts(directory: Path, options: ReadOptions) -> list[str]:
    return [
        line.data.decode().rstrip("\n")
        async for batch in driver.read(directory, ID, options)
        for line in batch
    ]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return driver.path(tmp_path, ID)


async def test_lines_come_back_with_stream_and_time(tmp_path, log):
    write(log, ["a"])
    write(log, ["b"], "stderr", 1)
    lines = [line async for batch in driver.read(tmp_path, ID, ReadOptions()) for line in batch]
    assert [(line.stream, line.time, line.data) for line in lines] == [
        ("stdout", 500_000_000, b"a\n"),
        ("stderr", 1_500_000_000, b"b\n"),
    ]


async def test_there_is_nothing_before_the_first_line(tmp_path):
    assert await texts(tmp_path, ReadOptions()) == []
    assert await texts(tmp_path, ReadOptions(tail=5)) == []


@pytest.mark.parametrize("tail", [0, 1, 3, 10, 11])
async def test_tail(tmp_path, log, tail):
    lines = [f"line {index}" for index in range(10)]
    write(log, lines)
    assert await texts(tmp_path, ReadOptions(tail=tail)) == lines[len(lines) - min(tail, 10) :]


async def test_tail_of_a_log_longer_than_one_block(tmp_path, log):
    lines = [f"{index} {'x' * 300}" for index in range(1000)]
    write(log, lines)
    assert await texts(tmp_path, ReadOptions(tail=700)) == lines[300:]


@pytest.mark.parametrize("tail", [-1, 2, 4, 5, 9])
async def test_rotated_files_are_read_too_the_oldest_first(tmp_path, log, tail):
    write(Path(f"{log}.2"), ["a", "b"])
    write(Path(f"{log}.1"), ["c", "d"])
    write(log, ["e"])
    everything = ["a", "b", "c", "d", "e"]
    expected = everything if tail in (-1, 9) else everything[-tail:]
    assert await texts(tmp_path, ReadOptions(tail=tail)) == expected


async def test_since_and_until(tmp_path, log):
    write(log, list("abcdef"))
    found = await texts(tmp_path, ReadOptions(since=2_000_000_000, until=4_500_000_000))
    assert found == ["c", "d", "e"]


async def test_a_damaged_line_is_skipped(tmp_path, log):
    write(log, ["a"])
    with log.open("a") as file:
        file.write('{"log":"half\n\n{}\n')
    write(log, ["b"])
    assert await texts(tmp_path, ReadOptions()) == ["a", "b"]


async def test_following_gives_what_is_written_later_and_ends_with_the_container(tmp_path, log):
    write(log, ["a"])
    ended = asyncio.Event()
    async with aclosing(driver.read(tmp_path, ID, ReadOptions(follow=True, ended=ended))) as batches:
        assert [line.data for line in await anext(batches)] == [b"a\n"]
        write(log, ["b"])
        assert [line.data for line in await anext(batches)] == [b"b\n"]
        write(log, ["c"])
        ended.set()
        assert [line.data for line in await anext(batches)] == [b"c\n"]
        with pytest.raises(StopAsyncIteration):
            await anext(batches)


async def test_a_follower_goes_on_over_rotations(tmp_path, log):
    ended = asyncio.Event()
    writer = LogWriter(str(log), max_size=2000, max_file=3, attrs=None)
    found: list[str] = []

    async def follow() -> None:
        async for batch in driver.read(tmp_path, ID, ReadOptions(follow=True, ended=ended)):
            found.extend(line.data.decode().strip() for line in batch)

    task = asyncio.create_task(follow())
    expected = [f"line {index}" for index in range(60)]
    for at in range(0, 60, 10):
        for line in expected[at : at + 10]:
            writer.write("stdout", f"{line}\n".encode())
        while len(found) < at + 10:
            await asyncio.sleep(0.01)
    ended.set()
    await task
    writer.close()
    assert found == expected
    assert Path(f"{log}.1").exists()


async def test_what_the_monitor_writes_is_read_back_unchanged(tmp_path, log):
    writer = LogWriter(str(log), 0, 1, None)
    data = 'quote " backslash \\ tab \t ünï '.encode() + b"\x01\x1b[0m\n"
    writer.write("stdout", data)
    writer.write("stderr", b"x" * 40_000 + b"\n")
    writer.write("stdout", b"no newline")
    writer.close()
    lines = [line async for batch in driver.read(tmp_path, ID, ReadOptions()) for line in batch]
    by_stream = {
        name: b"".join(line.data for line in lines if line.stream == name) for name in ("stdout", "stderr")
    }
    assert by_stream == {"stdout": data + b"no newline", "stderr": b"x" * 40_000 + b"\n"}


@pytest.mark.parametrize(
    ("options", "size", "files"),
    [({}, 0, 1), ({"max-size": "10m", "max-file": "3"}, 10 << 20, 3), ({"max-size": "1.5k"}, 1536, 1)],
)
def test_limits(tmp_path, options, size, files):
    driver.validate(options)
    io = driver.io(IOConfig(), tmp_path, ID, options)
    assert (io.log_max_size, io.log_max_file) == (size, files)
    assert io.log_path == tmp_path / "c1-json.log"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"foo": "x"}, "unknown log opt 'foo' for json-file log driver"),
        ({"max-size": "big"}, "invalid size: 'big'"),
        ({"max-size": "1m", "max-file": "0"}, "max-file"),
        ({"max-file": "3"}, "max-size"),
    ],
)
def test_malformed_options(options, words):
    with pytest.raises(InvalidParameter) as caught:
        driver.validate(options)
    assert words in str(caught.value)

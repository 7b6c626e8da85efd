import asyncio
import io
import json
import tarfile

import pytest

from compose.errors import ComposeError, OperationFailed
from compose.execute.context import Ignore, archive
from compose.execute.executor import execute
from compose.execute.live import Live
from compose.execute.logs import LinePrinter, epoch
from compose.execute.progress import Json, Plain, Quiet
from compose.execute.waiting import judge
from compose.plan.operations import Kind, Plan
from engine.errdefs import Conflict


class Recorder:
    """Actions that take a turn of the loop each; notes what happened, and how many ran at once."""

    def __init__(self, failing=()):
        self.failing, self.log, self.running, self.most = set(failing), [], 0, 0
        self.released = asyncio.Event()

    def table(self):
        return dict.fromkeys(Kind, self.act)

    async def act(self, operation):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if operation.target == "forever":
                await self.released.wait()
            await asyncio.sleep(0)
            if operation.target in self.failing:
                raise Conflict(f"{operation.target} went wrong")
            self.log.append(operation.target)
        finally:
            self.running -= 1


async def test_operations_run_after_what_they_need_and_otherwise_side_by_side():
    plan = Plan()
    a = [plan.add(Kind.CREATE, f"a{i}") for i in range(5)]
    plan.add(Kind.START, "last", needs=a)
    recorder = Recorder()
    await execute(plan, recorder.table(), Quiet())
    assert recorder.log[-1] == "last"
    assert recorder.most == 5


async def test_the_limit_holds_for_all_kinds_but_waits():
    plan = Plan()
    for i in range(6):
        plan.add(Kind.CREATE if i % 2 else Kind.STOP, f"a{i}")
    recorder = Recorder()
    await execute(plan, recorder.table(), Quiet(), limit=2)
    assert recorder.most == 2
    plan = Plan()
    waits = [plan.add(Kind.WAIT, f"w{i}") for i in range(3)]
    plan.add(Kind.START, "s", needs=waits)
    recorder = Recorder()
    await execute(plan, recorder.table(), Quiet(), limit=1)
    assert recorder.most == 3


async def test_a_failure_skips_what_needs_it_and_nothing_else():
    plan = Plan()
    bad = plan.add(Kind.CREATE, "bad")
    child = plan.add(Kind.START, "child", needs=[bad])
    plan.add(Kind.START, "grandchild", needs=[child])
    plan.add(Kind.CREATE, "other")
    out = io.StringIO()
    recorder = Recorder(failing={"bad"})
    with pytest.raises(
        OperationFailed, match="bad went wrong\nnot started because of that: child, grandchild"
    ):
        await execute(plan, recorder.table(), Plain(out))
    assert recorder.log == ["other"]
    assert " Container bad  Error bad went wrong" in out.getvalue()


async def test_cancelling_stops_everything():
    plan = Plan()
    plan.add(Kind.CREATE, "after", needs=[plan.add(Kind.CREATE, "forever")])
    recorder = Recorder()
    task = asyncio.create_task(execute(plan, recorder.table(), Quiet()))
    while not recorder.running:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (recorder.running, recorder.log) == (0, [])


async def test_the_exit_code_of_a_failure_comes_through():
    class Special(ComposeError):
        exit_code = 18

    async def fail(_operation):
        raise Special("no")

    plan = Plan()
    plan.add(Kind.PULL_IMAGE, "x")
    with pytest.raises(ComposeError) as caught:
        await execute(plan, {Kind.PULL_IMAGE: fail}, Quiet())
    assert caught.value.exit_code == 18


def state(status="running", code=0, health=None):
    return {"Status": status, "ExitCode": code, **({"Health": {"Status": health}} if health else {})}


@pytest.mark.parametrize(
    ("condition", "found", "verdict"),
    [
        ("healthy", state(health="starting"), False),
        ("healthy", state(health="healthy"), True),
        ("healthy", state(health="unhealthy"), "c is unhealthy"),
        ("healthy", state(), "c has no healthcheck configured"),
        ("healthy", state("exited", 3), r"c exited \(3\)"),
        ("healthy", state("created"), False),
        ("completed_successfully", state(), False),
        ("completed_successfully", state("exited"), True),
        ("completed_successfully", state("exited", 2), "didn't complete successfully: exit 2"),
        ("ready", state(), True),
        ("ready", state(health="starting"), False),
        ("ready", state("exited"), True),
        ("ready", state("exited", 1), r"c exited \(1\)"),
        ("ready", state("restarting"), False),
        ("started", state("created"), False),
        ("started", state(), True),
    ],
)
def test_conditions(condition, found, verdict):
    if isinstance(verdict, str):
        with pytest.raises(OperationFailed, match=verdict):
            judge(condition, "c", found)
    else:
        assert judge(condition, "c", found) is verdict


@pytest.mark.parametrize(
    ("patterns", "excluded", "kept"),
    [
        ("*.log", ["a.log"], ["a.txt", "d/a.log"]),
        ("**/*.log", ["a.log", "d/e/a.log"], ["a.txt"]),
        ("d", ["d", "d/x", "d/e/x"], ["dd", "e/d"]),
        ("/d/", ["d", "d/x"], ["e"]),
        ("*\n!keep\n!d/keep", ["a", "d", "d/x"], ["keep", "d/keep"]),
        ("!a\na", ["a"], []),
        ("# comment\n\n a? ", ["ab"], ["a", "abc"]),
        ("[ab].c", ["a.c", "b.c"], ["c.c"]),
        ("d/**/x", ["d/x", "d/e/f/x"], ["x"]),
        ("a.c", [], ["abc"]),
    ],
)
def test_dockerignore(patterns, excluded, kept):
    ignore = Ignore(patterns)
    assert [p for p in excluded if not ignore.excludes(p)] == []
    assert [p for p in kept if ignore.excludes(p)] == []


def names(source):
    with source, tarfile.open(fileobj=source) as tar:
        return sorted(tar.getnames())


def test_a_context_has_its_dockerfile_whatever_is_ignored(tmp_path):
    (tmp_path / "d").mkdir()
    for name in ("Dockerfile", "a", "d/keep", "d/drop"):
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text("*\n!d/keep\n")
    source, name = archive(tmp_path, "Dockerfile")
    assert name == "Dockerfile"
    assert names(source) == [".dockerignore", "Dockerfile", "d/keep"]


def test_a_dockerfile_from_elsewhere_or_inline_is_put_in(tmp_path):
    context = tmp_path / "c"
    context.mkdir()
    (tmp_path / "Other").write_text("FROM x")
    source, name = archive(context, "../Other")
    assert names(source) == [name]
    source, name = archive(context, "", "FROM y")
    with source, tarfile.open(fileobj=source) as tar:
        assert tar.extractfile(name).read() == b"FROM y"


def test_a_missing_context_or_dockerfile_is_named(tmp_path):
    with pytest.raises(ComposeError, match=r"unable to prepare context: path .*none not found"):
        archive(tmp_path / "none", "Dockerfile")
    with pytest.raises(ComposeError, match=r"failed to read dockerfile: open .*Dockerfile: no such file"):
        archive(tmp_path, "Dockerfile")


def test_lines_are_whole_and_prefixes_aligned():
    out = io.StringIO()
    printer = LinePrinter(["web-1", "database-1"], out=out)
    printer.feed("web-1", 1, b"hel")
    printer.feed("database-1", 1, b"x\ny\n")
    printer.feed("web-1", 1, b"lo\r\nrest")
    printer.finish("web-1")
    assert out.getvalue().splitlines() == [
        "database-1  | x",
        "database-1  | y",
        "web-1       | hello",
        "web-1       | rest",
    ]


def test_each_source_has_its_colour_and_none_without_prefix():
    out = io.StringIO()
    printer = LinePrinter(["a", "b"], colors=True, out=out)
    printer.line("a", "1")
    printer.line("b", "2")
    assert out.getvalue() == "\x1b[36ma  | \x1b[0m1\n\x1b[33mb  | \x1b[0m2\n"
    bare = io.StringIO()
    LinePrinter(["a"], prefix=False, out=bare).line("a", "1")
    assert bare.getvalue() == "1\n"


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("1970-01-01T00:00:10Z", "10.000000000"),
        ("1970-01-01T00:00:10.123456789Z", "10.123456789"),
        ("1970-01-01T01:00:00.5+01:00", "0.500000000"),
        ("0001-01-01T00:00:00Z", ""),
        ("17.5", "17.5"),
    ],
)
def test_moments_for_since(moment, seconds):
    assert epoch(moment) == seconds


def test_json_progress_is_one_object_a_line():
    out = io.StringIO()
    reporter = Json(out)
    plan = Plan()
    operation = plan.operations[plan.add(Kind.START, "p-web-1")]
    reporter.begun(operation)
    reporter.done(operation)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"id": "Container p-web-1", "status": "Working", "text": "Starting"},
        {"id": "Container p-web-1", "status": "Done", "text": "Started"},
    ]


def test_the_live_view_does_not_draw_over_what_others_wrote_meanwhile():
    out = io.StringIO()
    view = Live(colors=False, out=out)
    plan = Plan()
    first, second = (plan.operations[plan.add(Kind.STOP, name)] for name in ("p-web-1", "p-db-1"))
    view.begun(first)
    printer = LinePrinter(["web-1"], out=out)
    printer.before = view.release
    printer.line("web-1", "last words")
    before = out.tell()
    view.begun(second)
    drawn = out.getvalue()[before:]
    assert "\x1b[1A" not in drawn  # the line of the log is above, and stays
    assert drawn.startswith("\r")  # wherever an echoed ^C left the cursor
    assert "p-web-1" not in drawn


def test_the_live_view_is_never_taller_than_the_terminal(monkeypatch):
    monkeypatch.setenv("LINES", "6")
    monkeypatch.setenv("COLUMNS", "40")
    out = io.StringIO()
    view = Live(colors=False, out=out)
    plan = Plan()
    for number in range(20):
        operation = plan.operations[plan.add(Kind.START, f"a-rather-long-container-name-{number}")]
        view.begun(operation)
        view.done(operation)
        assert view.drawn <= 4
    last = out.getvalue().rpartition("\x1b[J")[2].splitlines()
    assert len(last) == 4
    assert all(len(line) <= 40 for line in last)

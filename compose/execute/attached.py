"""`up` in the foreground: logs of all containers, until they end or the user stops them.

running ──first SIGINT/SIGTERM──> stopping (stop, dependents first) ──> exit 130 / 143
   │                                 └──second signal──> killing ──> exit
   └──all ended, or one ended with --abort-on-container-exit──> stopping ──> exit code
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from compose.execute import observe
from compose.execute.actions import ContainerActions
from compose.execute.events import ProjectEvents
from compose.execute.executor import execute
from compose.execute.logs import LinePrinter, LogOptions, epoch, read_log, short_name
from compose.execute.progress import Reporter
from compose.plan.operations import Kind, Plan
from compose.plan.state import Container
from compose.plan.teardown import chosen, in_reverse
from engine.client import DockerClient
from engine.errdefs import DockyardError, NotFound

LAST_WORDS = 5.0
"""Seconds that a log may take to end after its container has."""


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """abort: stop all when one ends; on_failure: only when one fails; code_from: whose exit code counts."""

    abort: bool = False
    abort_on_failure: bool = False
    code_from: str = ""
    timeout: int | None = None
    logs: LogOptions = field(default_factory=LogOptions)


@contextlib.asynccontextmanager
async def signals(handler: Callable[[int], None]) -> AsyncIterator[None]:
    """Call `handler` on SIGINT and SIGTERM instead of being killed by them."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handler, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


class Foreground:
    """Shows what the containers of some services print, from when they are started on.

    services: whose containers belong to it; shown: of which of them output is shown.
    """

    def __init__(
        self,
        client: DockerClient,
        project: str,
        services: Iterable[str],
        shown: Iterable[str],
        events: ProjectEvents,
        options: AttachOptions,
        reporter: Reporter,
    ) -> None:
        self.client, self.project, self.events = client, project, events
        self.services, self.shown = set(services), set(shown)
        self.options, self.reporter = options, reporter
        self.printer = LinePrinter([], prefix=options.logs.prefix, colors=options.logs.colors)
        self.printer.before = reporter.release
        self.running: dict[str, Container] = {}
        self.restarting: dict[str, Container] = {}
        self.followers: dict[str, asyncio.Task[None]] = {}
        self.resume: dict[str, str] = {}
        self.code = 0
        self.up = False
        self.stopping = False
        self.ended = asyncio.Event()
        self.idle = asyncio.Event()
        self.signalled = asyncio.Event()
        self.signal = 0

    def on_signal(self, number: int) -> None:
        """The first one asks to stop, the second to kill."""
        self.signal = number
        self.signalled.set()

    async def run(self, bring_up: Coroutine[Any, Any, None]) -> int:
        """Bring the project up and stay until everything has ended; the exit code."""
        async with signals(self.on_signal):
            try:
                await self._note_running()
            except BaseException:
                bring_up.close()
                raise
            with self.events.queue() as queue:
                watcher = asyncio.create_task(self._watch(queue))
                try:
                    await self._until_ended(bring_up)
                finally:
                    tasks = [watcher, *self.followers.values()]
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
        if self.signal and not self.options.code_from:
            return 128 + self.signal
        return self.code

    async def _until_ended(self, bring_up: Coroutine[Any, Any, None]) -> None:
        bringing = asyncio.create_task(bring_up)
        ended = asyncio.create_task(self.ended.wait())
        signalled = asyncio.create_task(self.signalled.wait())
        try:
            await asyncio.wait({bringing, signalled}, return_when=asyncio.FIRST_COMPLETED)
            if bringing.done():
                bringing.result()
                self.up = True
                await self._look()
                await asyncio.wait({ended, signalled}, return_when=asyncio.FIRST_COMPLETED)
            else:
                bringing.cancel()
                await asyncio.gather(bringing, return_exceptions=True)
            if self.signal or self.running or self.restarting:
                await self._stop()
        finally:
            for task in (ended, signalled):
                task.cancel()
            await asyncio.gather(ended, signalled, return_exceptions=True)

    async def _note_running(self) -> None:
        """What runs before `up` is shown from now on; what `up` starts, from its start."""
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        for container in chosen(await observe.containers(self.client, self.project), self.services):
            if container.running:
                self.resume[container.id] = now

    async def _look(self) -> None:
        """Follow what runs and hasn't been followed: it ran before, or its start event is yet to come."""
        for container in chosen(await observe.containers(self.client, self.project), self.services):
            if container.running and container.id not in self.running:
                self._follow(container)
        self._check_ended()

    def _check_ended(self) -> None:
        if self.up and not self.running and not self.restarting:
            self.ended.set()

    def _follow(self, container: Container) -> None:
        self.idle.clear()
        self.running[container.id] = container
        self.restarting.pop(container.id, None)
        if container.id not in self.followers and container.service in self.shown:
            self.followers[container.id] = asyncio.create_task(self._print(container))

    async def _print(self, container: Container) -> None:
        name = short_name(container, self.project)
        options = LogOptions(follow=True, timestamps=self.options.logs.timestamps)
        try:
            details = await self.client.container_inspect(container.id)
            # the engine notes the start after the process began: its first lines may be older than that
            started = epoch(details["State"].get("StartedAt", ""), earlier=1)
            since = epoch(self.resume.get(container.id, "")) or started
            tty = bool(details["Config"].get("Tty"))
            log = read_log(self.client, container.id, tty=tty, options=options, since=since)
            async for stream, data in log:
                self.printer.feed(name, stream, data)
        except NotFound:
            pass
        except DockyardError as exc:
            print(f"logs of {name}: {exc}", file=sys.stderr)
        self.printer.finish(name)

    async def _watch(self, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
        while True:
            event = await queue.get()
            if event is None:  # events may have been missed
                if self.up:
                    await self._look()
                continue
            identity = (event.get("Actor") or {}).get("ID", "")
            action = str(event.get("Action") or event.get("status") or "")
            if action == "start" and identity not in self.running:
                await self._started(identity)
            elif action == "die" and identity in self.running:
                await self._died(self.running.pop(identity))

    async def _started(self, identity: str) -> None:
        for container in chosen(await observe.containers(self.client, self.project), self.services):
            if container.id == identity:
                self._follow(container)

    async def _died(self, container: Container) -> None:
        follower = self.followers.pop(container.id, None)
        if follower:
            # the log ends with the container: what it wrote last comes before the line that says so
            await asyncio.wait([follower], timeout=LAST_WORDS)
            follower.cancel()
        try:
            state = (await self.client.container_inspect(container.id))["State"]
        except NotFound:
            state = {}
        code = int(state.get("ExitCode", 0))
        self.resume[container.id] = str(state.get("FinishedAt", ""))
        self.reporter.release()
        print(f"{short_name(container, self.project)} exited with code {code}", flush=True)
        if self.stopping:
            state = {}  # whatever it was about to do, it is being stopped
        if state.get("Restarting"):
            self.restarting[container.id] = container
            return
        if state.get("Running"):
            self._follow(container)
            return
        failed = self.options.abort_on_failure and code != 0
        counts = self.options.code_from in ("", container.service)
        if counts and (self.options.abort or failed):
            self.code = self.code or code
        if self.options.abort or failed:
            self.ended.set()
        if not self.running:
            self.idle.set()
        self._check_ended()

    async def _stop(self) -> None:
        """Stop what still runs; a second signal kills it."""
        interrupted = bool(self.signal)
        self.stopping = True
        if not self.running:
            self.idle.set()
        self.signalled.clear()
        if interrupted:
            self.reporter.line("Gracefully Stopping... press Ctrl+C again to force")
        else:
            self.reporter.line("Aborting on container exit...")
        observed = await observe.containers(self.client, self.project)
        containers = [c for c in chosen(observed, self.services) if c.running]
        plan = Plan()
        in_reverse(plan, Kind.STOP, containers, timeout=self.options.timeout)
        actions = ContainerActions(self.client).table()
        stopping = asyncio.create_task(execute(plan, actions, self.reporter))
        again = asyncio.create_task(self.signalled.wait())
        await asyncio.wait({stopping, again}, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        if stopping.done():
            stopping.result()
        else:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
            kill = Plan()
            for container in containers:
                kill.add(Kind.KILL, container.name, key=container.id, container=container.id)
            await execute(kill, actions, self.reporter)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self.idle.wait()

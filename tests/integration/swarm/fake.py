"""A small engine that keeps real state, to see what a manager does to many of them, and when they fail.

It serves the part of the API that the manager uses on loopback TCP. `hang` makes it stop answering, as a
host whose cable is pulled; `stop` and `start` take it off the network and bring it back with its state.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from engine.api.hijack import hijack
from engine.api.stdcopy import frame

ZERO = "0001-01-01T00:00:00Z"


def now() -> str:
    return datetime.now(UTC).isoformat()


class FakeEngine:
    def __init__(
        self, name: str, *, cpus: int = 4, memory: int = 1 << 30, labels: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.id = f"ID:{name}:{secrets.token_hex(4)}"
        self.cpus, self.memory, self.labels = cpus, memory, labels
        self.api_version = "1.43"
        self.containers: dict[str, dict[str, Any]] = {}
        self.images = [
            {"Id": "sha256:" + "ab" * 32, "RepoTags": ["busybox:latest"], "RepoDigests": ["busybox@sha256:1"]}
        ]
        self.networks = [
            {"Name": n, "Id": secrets.token_hex(32), "Scope": "local"} for n in ("bridge", "host")
        ]
        self.volumes: dict[str, dict[str, Any]] = {}
        self.history: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.listeners: set[asyncio.Queue[dict[str, Any]]] = set()
        self.pullable: set[str] = set()
        self.received = 0
        self.create_delay = 0.0
        self.refuse_create = ""
        self.hanging = asyncio.Event()
        self.port = 0
        self._runner: web.AppRunner | None = None

    # Life

    @property
    def addr(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        if self._runner is not None:
            return
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    def hang(self) -> None:
        """Accept connections and never say anything again."""
        self.hanging.set()
        for queue in self.listeners:
            queue.put_nowait({})

    def resume(self) -> None:
        self.hanging.clear()

    # State

    def add(self, name: str, image: str = "busybox", *, state: str = "running", **body: Any) -> str:
        """A container that somebody made without asking the manager."""
        container = self._make(name, {"Image": image, **body})
        if state == "running":
            self._start(container)
        return str(container["Id"])

    def names(self) -> set[str]:
        return {c["Name"].lstrip("/") for c in self.containers.values()}

    def emit(self, kind: str, action: str, actor: str, **attributes: str) -> None:
        stamp = time.time_ns()
        event = {
            "Type": kind,
            "Action": action,
            "Actor": {"ID": actor, "Attributes": attributes},
            "scope": "local",
            "time": stamp // 10**9,
            "timeNano": stamp,
        }
        if kind == "container":
            event |= {"status": action, "id": actor, "from": attributes.get("image", "")}
        self.history.append(event)
        for queue in self.listeners:
            queue.put_nowait(event)

    def _make(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        container_id = secrets.token_hex(32)
        host = {"NetworkMode": "default", "PortBindings": {}, **(body.get("HostConfig") or {})}
        container = {
            "Id": container_id,
            "Name": f"/{name or container_id[:8]}",
            "Created": now(),
            "HostConfig": host,
            "Config": {
                "Image": body.get("Image", ""),
                "Labels": body.get("Labels") or {},
                "Env": body.get("Env"),
                "ExposedPorts": body.get("ExposedPorts") or {},
            },
            "State": {
                "Status": "created",
                "Running": False,
                "Paused": False,
                "ExitCode": 0,
                "StartedAt": ZERO,
                "FinishedAt": ZERO,
            },
            "NetworkSettings": {"Ports": {}, "Networks": {}},
            "made": time.time_ns(),
            "stopped": asyncio.Event(),
        }
        self.containers[container_id] = container
        self.emit("container", "create", container_id, image=container["Config"]["Image"], name=name)
        return container

    def _start(self, container: dict[str, Any]) -> None:
        container["State"] |= {"Status": "running", "Running": True, "StartedAt": now()}
        container["stopped"].clear()
        bindings = container["HostConfig"]["PortBindings"] or {}
        container["NetworkSettings"]["Ports"] = {
            key: [{"HostIp": b.get("HostIp") or "0.0.0.0", "HostPort": b["HostPort"]} for b in targets]
            for key, targets in bindings.items()
        }
        self._emit_for(container, "start")

    def _stop(self, container: dict[str, Any], code: int = 0) -> None:
        container["State"] |= {"Status": "exited", "Running": False, "ExitCode": code, "FinishedAt": now()}
        container["NetworkSettings"]["Ports"] = {}
        container["stopped"].set()
        self._emit_for(container, "die")

    def _emit_for(self, container: dict[str, Any], action: str) -> None:
        name = container["Name"].lstrip("/")
        self.emit("container", action, container["Id"], image=container["Config"]["Image"], name=name)

    def _find(self, reference: str) -> dict[str, Any]:
        for container in self.containers.values():
            if reference in (container["Id"], container["Name"].lstrip("/")):
                return container
        raise Refusal(404, f"No such container: {reference}")

    # HTTP

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path.startswith("/v1."):
            path = "/" + path.split("/", 2)[2]
        self.requests.append(f"{request.method} {request.path_qs}")
        if self.hanging.is_set():
            await self._silence()
        try:
            return await self._dispatch(request, path.strip("/").split("/"))
        except Refusal as exc:
            return web.json_response({"message": exc.message}, status=exc.status)

    async def _silence(self) -> None:
        while self.hanging.is_set():
            await asyncio.sleep(0.05)

    async def _dispatch(self, request: web.Request, parts: list[str]) -> web.StreamResponse:
        match request.method, parts:
            case "GET", ["_ping"]:
                return web.Response(text="OK")
            case "GET", ["info"]:
                return web.json_response(
                    {
                        "ID": self.id,
                        "Name": self.name,
                        "NCPU": self.cpus,
                        "MemTotal": self.memory,
                        "Labels": list(self.labels),
                        "Driver": "overlay2",
                        "OSType": "linux",
                        "KernelVersion": "6.1",
                        "OperatingSystem": "Fake",
                        "ServerVersion": "1.0",
                    }
                )
            case "GET", ["version"]:
                return web.json_response(
                    {"Version": "1.0", "ApiVersion": self.api_version, "MinAPIVersion": "1.24"}
                )
            case "GET", ["events"]:
                return await self._events(request)
            case "GET", ["containers", "json"]:
                return web.json_response([self._summary(c) for c in self._listed(request)])
            case "POST", ["containers", "create"]:
                return await self._create(request)
            case "POST", ["containers" | "images" | "volumes" | "networks", "prune"]:
                return web.json_response({"SpaceReclaimed": 5, "ContainersDeleted": [f"x-{self.name}"]})
            case _, ["containers", reference, *rest]:
                return await self._container(request, self._find(reference), rest)
            case "POST", ["exec", exec_id, "start"]:
                connection = await hijack(request)
                connection.writer.write(frame(1, f"{exec_id} on {self.name}\n".encode()))
                await connection.writer.drain()
                connection.write_eof()
                return connection.response
            case "GET", ["exec", exec_id, "json"]:
                if not exec_id.startswith(self.name):
                    raise Refusal(404, f"No such exec instance: {exec_id}")
                return web.json_response({"ID": exec_id, "ExitCode": 7})
            case "GET", ["images", "json"]:
                return web.json_response(self.images)
            case "POST", ["images", "create" | "load"]:
                return await self._pull(request)
            case "GET", ["networks"]:
                return web.json_response(self.networks)
            case "POST", ["networks", "create"]:
                return await self._create_network(request)
            case "GET", ["networks", reference]:
                return web.json_response(self._network(reference))
            case "DELETE", ["networks", reference]:
                self.networks.remove(self._network(reference))
                return web.Response(status=204)
            case "GET", ["volumes"]:
                return web.json_response({"Volumes": list(self.volumes.values()), "Warnings": None})
            case "POST", ["volumes", "create"]:
                name = (await request.json())["Name"]
                self.volumes[name] = {"Name": name, "Driver": "local"}
                return web.json_response(self.volumes[name], status=201)
            case "GET", ["volumes", name] if name in self.volumes:
                return web.json_response(self.volumes[name])
            case "DELETE", ["volumes", name] if name in self.volumes:
                del self.volumes[name]
                return web.Response(status=204)
        raise Refusal(404, "page not found")

    def _listed(self, request: web.Request) -> list[dict[str, Any]]:
        wanted = json.loads(request.query.get("filters") or "{}").get("id")
        return [
            c
            for c in self.containers.values()
            if (request.query.get("all") == "1" or c["State"]["Running"])
            and (not wanted or c["Id"] in wanted)
        ]

    def _summary(self, container: dict[str, Any]) -> dict[str, Any]:
        ports = [
            {
                "IP": b["HostIp"],
                "PrivatePort": int(key.split("/")[0]),
                "PublicPort": int(b["HostPort"]),
                "Type": "tcp",
            }
            for key, targets in container["NetworkSettings"]["Ports"].items()
            for b in targets
        ]
        return {
            "Id": container["Id"],
            "Names": [container["Name"]],
            "Image": container["Config"]["Image"],
            "ImageID": self.images[0]["Id"],
            "Command": "sh",
            "Created": container["made"] // 10**9,
            "Ports": ports,
            "Labels": container["Config"]["Labels"],
            "State": container["State"]["Status"],
            "Status": "whatever the engine says",
            "HostConfig": {"NetworkMode": "default"},
            "NetworkSettings": {"Networks": {}},
            "Mounts": [],
        }

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        name = request.query.get("name", "")
        if self.refuse_create:
            raise Refusal(500, self.refuse_create)
        if name in self.names():
            raise Refusal(409, f'Conflict. The container name "/{name}" is already in use')
        tag = body["Image"] if ":" in body["Image"] else body["Image"] + ":latest"
        if not any(tag in image["RepoTags"] for image in self.images):
            raise Refusal(404, f"No such image: {tag}")
        container = self._make(name, body)
        await asyncio.sleep(self.create_delay)  # it is there; the answer is late
        return web.json_response({"Id": container["Id"], "Warnings": []}, status=201)

    async def _container(
        self, request: web.Request, container: dict[str, Any], rest: list[str]
    ) -> web.StreamResponse:
        match request.method, rest:
            case "GET", ["json"]:
                shown = {k: v for k, v in container.items() if k not in ("made", "stopped")}
                return web.json_response(shown)
            case "POST", ["start"]:
                if container["State"]["Running"]:
                    return web.Response(status=304)
                self._start(container)
                return web.Response(status=204)
            case "POST", ["stop" | "kill"]:
                self._stop(container)
                return web.Response(status=204)
            case "DELETE", []:
                del self.containers[container["Id"]]
                self._emit_for(container, "destroy")
                return web.Response(status=204)
            case "POST", ["rename"]:
                container["Name"] = f"/{request.query['name']}"
                self._emit_for(container, "rename")
                return web.Response(status=204)
            case "POST", ["wait"]:
                response = web.StreamResponse()
                await response.prepare(request)
                await container["stopped"].wait()
                await response.write(json.dumps({"StatusCode": container["State"]["ExitCode"]}).encode())
                return response
            case "POST", ["exec"]:
                return web.json_response({"Id": f"{self.name}-{secrets.token_hex(4)}"}, status=201)
            case "POST", ["attach"]:
                return await self._attach(request)
            case "GET", ["attach", "ws"]:
                socket = web.WebSocketResponse()
                await socket.prepare(request)
                async for message in socket:
                    await socket.send_str(message.data.upper())
                return socket
            case "GET", ["logs"]:
                return await self._logs(request, container)
            case "PUT", ["archive"]:
                async for chunk in request.content.iter_any():
                    self.received += len(chunk)
                return web.Response()
            case "GET", ["export"]:
                response = web.StreamResponse()
                await response.prepare(request)
                for _ in range(200):
                    await response.write(bytes(1 << 20))
                    self.received += 1 << 20
                return response
        raise Refusal(404, "page not found")

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        """Say back what comes in, upper case, until the input ends; then say goodbye."""
        connection = await hijack(request)
        while data := await connection.reader.read(65536):
            connection.writer.write(frame(1, data.upper()))
            await connection.writer.drain()
        connection.writer.write(frame(2, b"bye"))
        await connection.writer.drain()
        connection.write_eof()
        return connection.response

    async def _logs(self, request: web.Request, container: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(frame(1, b"first\n"))
        if request.query.get("follow") == "1":
            try:
                await container["stopped"].wait()
            except asyncio.CancelledError:
                self.requests.append("logs cancelled")
                raise
            await response.write(frame(1, b"last\n"))
        return response

    async def _pull(self, request: web.Request) -> web.StreamResponse:
        async for chunk in request.content.iter_any():
            self.received += len(chunk)
        name = request.query.get("fromImage", "")
        if name and name not in self.pullable:
            raise Refusal(404, f"pull access denied for {name}, repository does not exist")
        if name:
            tag = f"{name}:{request.query.get('tag') or 'latest'}"
            self.images.append(
                {"Id": f"sha256:{name}", "RepoTags": [tag], "RepoDigests": [f"{name}@sha256:2"]}
            )
            self.emit("image", "pull", tag)
        return web.Response(text='{"status":"working","id":"layer"}\r\n{"status":"done"}\r\n')

    def _network(self, reference: str) -> dict[str, Any]:
        for network in self.networks:
            if reference in (network["Name"], network["Id"]):
                return network
        raise Refusal(404, f"network {reference} not found")

    async def _create_network(self, request: web.Request) -> web.Response:
        body = await request.json()
        if any(n["Name"] == body["Name"] for n in self.networks):
            raise Refusal(409, f"network with name {body['Name']} already exists")
        network = {"Scope": "local", "Driver": "bridge", **body, "Id": secrets.token_hex(32)}
        self.networks.append(network)
        self.emit("network", "create", network["Id"], name=body["Name"])
        return web.json_response({"Id": network["Id"], "Warning": ""}, status=201)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        since = float(request.query.get("since") or "inf") * 10**9
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.listeners.add(queue)
        with suppress(ConnectionError):
            try:
                for event in [e for e in self.history if e["timeNano"] >= since]:
                    await response.write(json.dumps(event).encode() + b"\n")
                while "until" not in request.query:
                    event = await queue.get()
                    if self.hanging.is_set():
                        await self._silence()
                    if event:
                        await response.write(json.dumps(event).encode() + b"\n")
            finally:
                self.listeners.discard(queue)
        return response


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message

"""What the instructions without files do: each changes the image's configuration. Pure.

`METADATA` is the table name → rule. A rule changes the state and returns the line that stands for it
in the image's history ("ENV A=1"), in docker's form, with all variables replaced: the build cache compares
these lines.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from engine.build.expand import expand, expand_words
from engine.build.instructions import Instruction
from engine.container.defaults import DEFAULT_PATH
from engine.container.signals import parse as parse_signal
from engine.errdefs import InvalidParameter

DEFAULT_SHELL = ("/bin/sh", "-c")

# Build arguments that need no ARG and leave no trace in the image.
PREDEFINED = frozenset(
    name
    for base in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
    for name in (base, base.upper())
)

_MILLISECOND = 1_000_000
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": _MILLISECOND,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_PORT = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(slots=True)
class State:
    """A stage while it is built.

    config: the image's `config` member. args: ARGs in scope with their values, None for unset ones.
    given: --build-arg; inherited: values of global ARGs and the platform's. cmd_set: whether CMD was
    given in this stage, else an ENTRYPOINT takes the inherited one away.
    """

    config: dict[str, Any]
    escape: str = "\\"
    author: str = ""
    args: dict[str, str | None] = field(default_factory=dict)
    given: Mapping[str, str | None] = field(default_factory=dict)
    inherited: Mapping[str, str] = field(default_factory=dict)
    cmd_set: bool = False

    @property
    def shell(self) -> list[str]:
        """What the shell form runs with."""
        return list(self.config.get("Shell") or DEFAULT_SHELL)

    def variables(self) -> dict[str, str]:
        """What `$NAME` means now: the arguments, and the environment over them."""
        values = {name: value for name, value in self.args.items() if value is not None}
        for entry in self.config.get("Env") or ():
            name, _, value = entry.partition("=")
            values[name] = value
        return values

    def build_args(self) -> dict[str, str]:
        """Arguments a RUN sees beside the environment: those in scope, and the given predefined ones."""
        env = {entry.partition("=")[0] for entry in self.config.get("Env") or ()}
        values = {name: value for name, value in self.args.items() if value is not None and name not in env}
        for name in PREDEFINED - set(self.args) - env:
            value = self.given.get(name)
            if value is not None:
                values[name] = value
        return values

    def expand(self, word: str) -> str:
        """`word` with the variables of now."""
        return expand(word, self.variables(), self.escape)


def prepare(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """The configuration a stage starts with: its base's, with a PATH."""
    result = {key: value for key, value in (config or {}).items() if value is not None}
    env = list(result.get("Env") or ())
    if not any(entry.startswith("PATH=") for entry in env):
        env.insert(0, DEFAULT_PATH)
    result["Env"] = env
    return result


def created_by(state: State, line: str) -> str:
    """A history entry's `created_by` for an instruction that runs nothing."""
    return f"{' '.join(state.shell)} #(nop) {line}"


def quoted(words: Sequence[str]) -> str:
    """A list as the history shows it: ["a" "b"]."""
    return "[" + " ".join(json.dumps(word, ensure_ascii=False) for word in words) + "]"


def _command(state: State, step: Instruction) -> list[str]:
    if step.json or not step.args:
        return list(step.args)
    return [*state.shell, step.args[0]]


def _cmd(state: State, step: Instruction) -> str:
    command = _command(state, step)
    state.config["Cmd"] = command
    state.cmd_set = True
    return f"CMD {quoted(command)}"


def _entrypoint(state: State, step: Instruction) -> str:
    command = _command(state, step)
    state.config["Entrypoint"] = command or None
    if not state.cmd_set:
        state.config.pop("Cmd", None)
    return f"ENTRYPOINT {quoted(command)}"


def _env(state: State, step: Instruction) -> str:
    variables = state.variables()  # of before this line: its own pairs do not see each other
    pairs = [(expand(k, variables, state.escape), expand(v, variables, state.escape)) for k, v in step.pairs]
    env = list(state.config.get("Env") or ())
    for name, value in pairs:
        if not name:
            raise InvalidParameter("ENV names can not be blank")
        position = next((i for i, entry in enumerate(env) if entry.partition("=")[0] == name), None)
        if position is None:
            env.append(f"{name}={value}")
        else:
            env[position] = f"{name}={value}"
    state.config["Env"] = env
    return "ENV " + " ".join(f"{name}={value}" for name, value in pairs)


def _label(state: State, step: Instruction) -> str:
    pairs = [(state.expand(k), state.expand(v)) for k, v in step.pairs]
    if any(not name for name, _ in pairs):
        raise InvalidParameter("LABEL names can not be blank")
    state.config["Labels"] = {**(state.config.get("Labels") or {}), **dict(pairs)}
    return "LABEL " + " ".join(f"{name}={value}" for name, value in pairs)


def _arg(state: State, step: Instruction) -> str:
    shown = []
    for word in step.args:
        name, equals, default = word.partition("=")
        name, default = state.expand(name), state.expand(default)
        if not name:
            raise InvalidParameter("ARG names can not be blank")
        given = state.given.get(name)
        if given is not None:
            state.args[name] = given
        elif equals:
            state.args[name] = default
        else:
            state.args[name] = state.inherited.get(name)
        shown.append(f"{name}={default}" if equals else name)
    return "ARG " + " ".join(shown)


def _expose(state: State, step: Instruction) -> str:
    words = [part for word in step.args for part in expand_words(word, state.variables(), state.escape)]
    ports = dict(state.config.get("ExposedPorts") or {})
    for word in words:
        for port in parse_ports(word):
            ports[port] = {}
    state.config["ExposedPorts"] = ports
    return "EXPOSE " + " ".join(sorted(words))


def parse_ports(text: str) -> list[str]:
    """ "8000-8001/udp" → ["8000/udp", "8001/udp"]. InvalidParameter with docker's words."""
    number, _, protocol = text.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in ("tcp", "udp", "sctp"):
        raise InvalidParameter(f"Invalid proto: {protocol}")
    match = _PORT.fullmatch(number)
    first = int(match.group(1)) if match else -1
    last = int(match.group(2) or first) if match else -1
    if not 0 <= first <= last <= 65535:
        raise InvalidParameter(f"Invalid containerPort: {number}")
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def _volume(state: State, step: Instruction) -> str:
    paths = [state.expand(word).strip() for word in step.args]
    if any(not path for path in paths):
        raise InvalidParameter("VOLUME specified can not be an empty string")
    state.config["Volumes"] = {**(state.config.get("Volumes") or {}), **{path: {} for path in paths}}
    return f"VOLUME [{' '.join(paths)}]"


def _user(state: State, step: Instruction) -> str:
    state.config["User"] = state.expand(step.args[0])
    return f"USER {state.config['User']}"


def workdir(state: State, step: Instruction) -> str:
    """Set the working directory, relative to the one before; returns it."""
    path = state.expand(step.args[0])
    if not path:
        raise InvalidParameter("cannot normalize nothing")
    joined = posixpath.join("/", state.config.get("WorkingDir") or "/", path)
    state.config["WorkingDir"] = "/" + posixpath.normpath(joined).lstrip("/")
    return str(state.config["WorkingDir"])


def _stopsignal(state: State, step: Instruction) -> str:
    signal = state.expand(step.args[0])
    try:
        parse_signal(signal)
    except InvalidParameter as exc:
        raise InvalidParameter(f"Invalid signal: {signal}") from exc
    state.config["StopSignal"] = signal
    return f"STOPSIGNAL {signal}"


def _healthcheck(state: State, step: Instruction) -> str:
    check: dict[str, Any] = {"Test": list(step.args)}
    for flag, key in (
        ("interval", "Interval"),
        ("timeout", "Timeout"),
        ("start-period", "StartPeriod"),
        ("start-interval", "StartInterval"),
    ):
        if flag in step.flags:
            check[key] = _flag_duration(key, step.flags[flag])
    retries = step.flags.get("retries", "0")
    if not retries.isdigit():
        raise InvalidParameter(f"--retries must be at least 1 (not {retries})")
    if int(retries):
        check["Retries"] = int(retries)
    state.config["Healthcheck"] = check
    flags = "".join(f" --{name}={value}" for name, value in sorted(step.flags.items()))
    return f"HEALTHCHECK{flags} {quoted(step.args)}"


def _flag_duration(key: str, text: str) -> int:
    value = duration(text)
    if value and value < _MILLISECOND:
        raise InvalidParameter(f'{key} "{text}" cannot be less than 1ms')
    return value


def duration(text: str) -> int:
    """ "1m30s" as nanoseconds."""
    if text == "0":
        return 0
    parts = _DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise InvalidParameter(f'time: invalid duration "{text}"')
    return sum(int(float(number) * _UNITS[unit]) for number, unit in parts)


def _shell(state: State, step: Instruction) -> str:
    state.config["Shell"] = list(step.args)
    return f"SHELL [{' '.join(step.args)}]"


def _maintainer(state: State, step: Instruction) -> str:
    state.author = step.args[0]
    return f"MAINTAINER {step.args[0]}"


def _onbuild(state: State, step: Instruction) -> str:
    state.config["OnBuild"] = [*(state.config.get("OnBuild") or ()), step.args[0]]
    return f"ONBUILD {step.args[0]}"


METADATA: Mapping[str, Callable[[State, Instruction], str]] = MappingProxyType(
    {
        "ARG": _arg,
        "CMD": _cmd,
        "ENTRYPOINT": _entrypoint,
        "ENV": _env,
        "EXPOSE": _expose,
        "HEALTHCHECK": _healthcheck,
        "LABEL": _label,
        "MAINTAINER": _maintainer,
        "ONBUILD": _onbuild,
        "SHELL": _shell,
        "STOPSIGNAL": _stopsignal,
        "USER": _user,
        "VOLUME": _volume,
    }
)

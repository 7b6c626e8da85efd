"""How the engine runs on a host: a systemd unit where there is systemd, else a supervising script."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from machine.host import EngineOptions

CERTS = "/etc/pydocker"
UNIT = "/etc/systemd/system/pydocker.service"
SCRIPT = "/usr/local/sbin/pydocker-service"
LOG = "/var/log/pydocker.log"


def daemon_command(options: EngineOptions, port: int, provider: str) -> list[str]:
    """The daemon's command line on a machine."""
    command = [
        "/usr/local/bin/pydocker", "daemon",
        f"--host=tcp://0.0.0.0:{port}", "--host=unix:///run/pydocker.sock",
        "--tlsverify", f"--tlscacert={CERTS}/ca.pem",
        f"--tlscert={CERTS}/server.pem", f"--tlskey={CERTS}/server-key.pem",
    ]  # fmt: skip
    if options.storage_driver:
        command.append(f"--storage-driver={options.storage_driver}")
    command += [f"--label={label}" for label in [*options.labels, f"provider={provider}"]]
    command += [f"--insecure-registry={name}" for name in options.insecure_registry]
    command += [f"--registry-mirror={name}" for name in options.registry_mirror]
    command += [f"--{flag.removeprefix('--')}" for flag in options.arbitrary_flags]
    return command


def systemd_unit(command: Sequence[str], env: Sequence[str]) -> str:
    """A unit that leaves the containers alone when the daemon stops (KillMode=process)."""
    environment = "".join(f'Environment="{pair}"\n' for pair in env)
    return (
        "[Unit]\nDescription=Dockyard engine\nAfter=network-online.target\nWants=network-online.target\n\n"
        f"[Service]\nType=notify\nNotifyAccess=all\n{environment}ExecStart={shlex.join(command)}\n"
        "ExecReload=/bin/kill -HUP $MAINPID\nRestart=always\nRestartSec=1\n"
        "KillMode=process\nDelegate=yes\nTasksMax=infinity\nLimitNOFILE=1048576\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )


def supervisor(command: Sequence[str], env: Sequence[str]) -> str:
    """A script with start, stop and status for hosts without systemd; restarts the daemon if it dies.

    It knows its processes by pid file and start time, so a reused pid is never signalled.
    """
    exports = "".join(f"export {shlex.quote(pair)}\n" for pair in env)
    return f"""#!/bin/sh
# Written by pymachine: runs the Dockyard engine and starts it again when it dies.
set -eu
{exports}pidfile=/run/pydocker-service.pid
began() {{ sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }}
running() {{
  [ -r "$pidfile" ] && read -r pid since < "$pidfile" && [ "$(began "$pid")" = "$since" ]
}}
case "${{1:-}}" in
  run)
    echo "$$ $(began $$)" > "$pidfile"
    trap 'kill -TERM "$child" 2>/dev/null; wait "$child"; rm -f "$pidfile"; exit 0' TERM INT
    while :; do
      {shlex.join(command)} & child=$!
      wait "$child" || true
      sleep 1
    done ;;
  start) running || setsid "$0" run >> {LOG} 2>&1 < /dev/null & ;;
  stop) if running; then kill -TERM "$pid"; while running; do sleep 0.1; done; fi ;;
  restart) "$0" stop; "$0" start ;;
  status) running ;;
  *) echo "usage: $0 start|stop|restart|status" >&2; exit 2 ;;
esac
"""

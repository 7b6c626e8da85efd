"""What may differ between two runs of one command line: ids, times, addresses, places, sizes on disk."""

from __future__ import annotations

import re
from collections.abc import Callable

#: Applied in this order. Each says what it hides; everything else must be equal to the letter.
RULES: tuple[tuple[str, str], ...] = (
    (r"\x1b\[[0-9;?]*[A-Za-z]", ""),
    (r"\b[0-9a-f]{64}\b", "<id>"),
    (r"(?<![:.\w])[0-9a-f]{12}\b(?!:)", "<id>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d))?( [A-Z]{3})?", "<time>"),
    (r"\b(Less than a second|About a minute|\d+ (second|minute)s?)( ago)?\b", "<while>"),
    (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "<mac>"),
    (r"\b(?:3[2-9]|4\d|5\d|6[0-5])\d{3}\b(?=->|$)", "<port>"),
    (r"[ \t]+$", ""),
)
#: Where our words are those of Docker 23 and later, or a part of docker's has no counterpart here.
ACCEPTED: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    # containerd's and runc's wrapping of what our own runtime says directly
    (
        r"(failed to create shim task: )?OCI runtime (create|exec) failed: (runc create|exec) failed: "
        r"(unable to start container process: )?(.*): unknown",
        r"\5",
    ),
    # Docker begins messages in lower case since 23
    (
        r"(?:(?<=Error response from daemon: )|(?<=annot kill container: aa: ))([A-Z])(?=[a-z])",
        lambda match: match[1].lower(),
    ),
    # a registry's name that can't be resolved: Go says which server it asked
    (r"(lookup \S+?)( on \S+:53)?: .*", r"\1: failed"),
    # ports are published for IPv4 alone
    (r"^(\d+/\w+ -> )?\[::\]:\S+\n", ""),
    (r", \[::\]:[^,\n]+", ""),
    (r',\{"HostIp":"::","HostPort":"\d+"\}', ""),
    (r"failed to bind port \S+: ", ""),
    (r"on endpoint \w+ \(", "on endpoint <name> ("),
    # later words for the same
    (r'exec: "/tmp": permission denied', 'exec: "/tmp": is a directory'),
    (r"invalid restart policy: unknown policy ('\w+').*", r"invalid restart policy \1"),
    (r"invalid restart policy: maximum retry count", "maximum retry count"),
    (r"count cannot be used with restart policy 'always'", "count can only be used with 'on-failure'"),
    (r"unknown runtime specified (\w+)", r"unknown or invalid runtime name: \1"),
    (r"shares: invalid argument", "invalid CPU shares (-1): value must be a positive integer"),
    (r"invalid (config for network \S+: )?(invalid )?endpoint settings:\n", ""),
    (
        r"no configured subnet or ip-range contain the IP address (\S+)",
        r"invalid address \1: It does not belong to any of this network's subnets",
    ),
    (
        r"you cannot remove a running container <id>. Stop.*",
        'cannot remove container "/aa": container is running: stop the container before removing or '
        "force remove",
    ),
    (r"no such image: \S+: (?=invalid ref)", ""),
    (r"(?i)(no such image: \S+: )?(no such image: \w+):latest", lambda match: match[2].lower()),
    (r"repository name \(library/\w+\) must", "repository name must"),
    (r"no such container (?=\w+$)", "no such container: "),
    (r" \(known: [a-z, ]+\)", ""),
    (r" \(stages: \w+\)", ""),
    (r"failed to initialize logging driver: ", ""),  # we look at log options when a container is created
    (r"pathcannot", "path cannot"),
    # what a container has from its engine
    (r'"Runtime":"(runc|native)"', '"Runtime":"<runtime>"'),
    (r'"CgroupnsMode":"(host|private)"', '"CgroupnsMode":"<mode>"'),
    (r'"NetworkMode":"(default|bridge)"', '"NetworkMode":"bridge"'),
    # the CLI's own complaint, which depends on how far it had come
    (r"^time=.* level=error msg=\"Can't .*\n", ""),
    (r"execDuration:\d+ ", ""),
    # a build's metadata steps need no container here
    (r"^ ---> Running in <id>\n", ""),
    (r"^Removing intermediate container <id>\n", ""),
    (r"^DEPRECATED: The legacy builder(.*\n){4}", ""),
    (r"\b(dir|file|multi):[0-9a-f]+…", r"\1:<hash>"),
    (r"HEALTHCHECK (&\{)?\[.*…", "HEALTHCHECK …"),
    (r"failed to parse Dockerfile: (?=ENV)", "dockerfile parse error line 2: "),
    (
        r"failed to parse Dockerfile: invalid escape token 'x' does not match",
        "dockerfile parse error line 1: invalid ESCAPE 'x'. Must be",
    ),
    (r"missing ':' in substitution", "syntax error: missing '}'"),
)
_RULES = tuple((re.compile(pattern, re.M), replacement) for pattern, replacement in (*RULES, *ACCEPTED))
_COLUMNS = re.compile(r" {2,}")


def normalise(text: str, places: dict[str, str]) -> str:
    """`text` without what is a run's own; `places` maps a side's own names (its directory) to common ones.

    Runs of spaces become two: the width of a table's column depends on what was hidden.
    """
    for own, common in places.items():
        text = text.replace(own, common)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return _COLUMNS.sub("  ", text)

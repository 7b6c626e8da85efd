"""Command lines whose answers differ and may: with the reason. Their exit codes are compared all the same."""

#: line → why its output differs
WORDS = {
    "run --rm --storage-opt size=1G busybox true": "no storage driver of ours has quotas",
    "ps -a --filter exited=x": "docker shows the words of Go's number parser",
    "ps -a --format '{{.Names}}' --filter publish=x": "docker shows the words of Go's number parser",
    "cp aa:/d/f/ out/q": "docker shows where the root file system is mounted on the host",
    "cp aa:/etc/passwd/x out": "docker shows where the root file system is mounted on the host",
    "$echo bad | docker cp - aa:/tmp": "docker unpacks in another process and tells its exit status",
    "$echo junk | docker import -": "docker unpacks in another process and tells its exit status",
    "exec -w rel aa pwd": "a check of runc's own",
    "run --rm --link aa:bb busybox true": "a link to a stopped container has no address; docker won't start",
    "network connect net aa": "after its last network a container of ours counts as one without a network",
}

#: scenario → why the output of its last line differs: our builder reads the whole Dockerfile first, so that
#: it can skip stages, and finds there what docker meets in the middle
SCENARIOS = {
    "bad build: unknown stage": "found before the first step",
    "bad build: arg in from": "found before the first step",
    "bad build: health flag": "found when the step is reached",
}

#: exit codes that differ: (line, docker's, ours)
CODES = {
    ("exec aa nosuch", 126, 127),  # 127 since Docker 28, as for run
    ("exec aa ''", 126, 127),
    ("run --rm --link aa:bb busybox true", 125, 0),
    ("network connect net aa", 0, 1),
}

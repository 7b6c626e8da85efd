"""Verbs on containers that are there, and on those that are not."""

# ruff: noqa: E501  # a command line stays whole

from tests.e2e.compare.sides import Scenario

VERBS = "start|stop -t 0|kill|restart -t 0|rm|rm -f|wait|pause|unpause|top|logs|diff|attach|port|inspect|stats --no-stream"

SCENARIOS = (
    Scenario(
        "unknown container",
        "".join(f"{verb} nosuch\n" for verb in VERBS.split("|"))
        + """\
exec nosuch true
rename nosuch x
update -m 64m nosuch
commit nosuch
export nosuch
cp nosuch:/x .
cp . nosuch:/x
container inspect nosuch
network connect bridge nosuch
start aa bb
rm aa bb
wait aa bb
""",
    ),
    Scenario(
        "created container",
        """\
create --name aa busybox sleep 100
ps -a --format '{{.Names}}|{{.Status}}|{{.Ports}}|{{.State}}|{{.Command}}|{{.Image}}'
stop -t 0 aa
kill aa
pause aa
unpause aa
top aa
exec aa true
attach aa
logs aa
port aa
$docker diff aa | sort
stats --no-stream aa
rename aa ''
rename aa aa
rename aa bb
update -m 64m bb
inspect -f '{{.HostConfig.Memory}}' bb
rm bb
""",
    ),
    Scenario(
        "life",
        """\
run -d --name aa busybox sleep 100
ps --format '{{.Names}}|{{.Status}}|{{.Ports}}|{{.State}}|{{.Command}}|{{.Image}}|{{.Networks}}|{{.Mounts}}|{{.LocalVolumes}}'
start aa
rm aa
unpause aa
pause aa
ps --format '{{.Status}} {{.State}}'
pause aa
exec aa true
kill aa
unpause aa
stop -t 0 aa
stop -t 0 aa
ps -a --format '{{.Names}}|{{.Status}}|{{.State}}'
kill aa
exec aa true
top aa
pause aa
attach aa
stats --no-stream aa
wait aa
start aa
kill -s NOSUCH aa
kill -s 99 aa
kill -s 0 aa
kill -s TERM aa
kill -s KILL aa
wait aa
inspect -f '{{.State.Status}} {{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Dead}} {{.State.Pid}} {{.RestartCount}}' aa
restart -t 0 aa
rm -f aa
rm -f aa
""",
    ),
    Scenario(
        "exit codes",
        """\
run -d --name aa busybox sh -c 'exit 5'
wait aa
ps -a --format '{{.Status}}'
start -a aa
run --name bb busybox sh -c 'kill -9 $$'
start bb
wait bb aa
inspect -f '{{.State.ExitCode}}' aa bb
create --name cc busybox nosuch
start cc
start -a cc
inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' cc
run -d --name dd busybox nosuch
create -i --name ee busybox cat
$echo hi | docker start -ai ee
$echo hi | docker run -i --rm busybox cat
""",
    ),
    Scenario(
        "exec",
        """\
run -d --name aa -e A=1 -u web -w /tmp -h box busybox sleep 100
exec aa sh -c 'id; pwd; env | sort'
exec -u 0 -w / -e B=2 aa sh -c 'id; pwd; env | sort'
exec aa sh -c 'exit 9'
exec aa nosuch
exec aa /etc/passwd
exec aa ''
exec -w /nosuch aa pwd
exec -w rel aa pwd
exec -u nosuch aa true
exec -e A aa true
exec aa
exec -it aa true
exec -d aa sleep 100
exec -d aa nosuch
exec aa grep CapEff /proc/self/status
exec -u 0 aa grep CapEff /proc/self/status
$echo in | docker exec -i aa cat
exec --detach-keys nosuch,x aa true
$docker top aa | sed "s/ .* / /" | sort | uniq
$docker top aa -o pid,comm | sed "s/.* //" | sort | uniq
top aa -o nosuch
$docker top aa aux -Z | head -n 1
""",
    ),
    Scenario(
        "logs",
        """\
run --name aa busybox sh -c 'echo err >&2; sleep 0.1; for i in 1 2 3 4 5; do echo line$i; done; printf tail'
logs aa
logs --tail 2 aa
logs --tail 0 aa
logs --tail -1 aa
logs --tail x aa
logs -t aa
logs --since 10m aa
logs --since 2030-01-01 aa
logs --until 2030-01-01 aa
logs --until 10m aa
logs --since 2020-01-01T00:00:00Z --until 10m aa
logs --since nosuch aa
logs --until nosuch aa
logs --details aa
logs -f aa
logs -f --tail 1 aa
run -d --name tt -t busybox sh -c 'echo one; echo two >&2'
wait tt
logs tt
run --name ll --log-opt labels=x -l x=1 --log-opt env=E -e E=2 busybox echo text
logs --details ll
""",
    ),
    Scenario(
        "inspect fields",
        """\
run -d --name aa -h box -p 8080:80 -v vol:/v -e A=1 -l k=v --restart on-failure:3 -m 64m --cpus 0.5 \\
  --cap-add NET_ADMIN --dns 9.9.9.9 --ulimit nofile=99 --health-cmd 'true' --stop-signal INT --stop-timeout 3 \\
  --tmpfs /t --add-host a:1.2.3.4 -w /tmp -u web busybox sleep 100
inspect -f '{{json .Config}}' aa
$docker inspect -f '{{json .HostConfig}}' aa | sed 's/"MaskedPaths.*//'
inspect -f '{{json .Mounts}}' aa
inspect -f '{{json .NetworkSettings.Ports}}' aa
inspect -f '{{json .NetworkSettings.Networks}}' aa
inspect -f '{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}} {{.NetworkSettings.IPPrefixLen}}' aa
inspect -f '{{.Name}} {{.Path}} {{.Args}} {{.Driver}} {{.Platform}} {{.RestartCount}} {{.AppArmorProfile}}' aa
inspect -f '{{range $k, $v := .State}}{{$k}} {{end}}' aa
inspect -f '{{.ProcessLabel}}|{{.MountLabel}}|{{.ExecIDs}}|{{.GraphDriver.Name}}' aa
inspect -f '{{.HostnamePath}} {{.HostsPath}} {{.ResolvConfPath}} {{.LogPath}}' aa
inspect -f '{{.nosuch}}' aa
inspect -f '{{.Config.Nosuch}}' aa
inspect -f '{{' aa
inspect -s -f '{{.SizeRw}} {{gt .SizeRootFs 1000}}' aa
inspect --type image aa
inspect --type network aa
inspect --type nosuch aa
inspect aa nosuch -f '{{.Name}}'
rm -f aa
volume rm vol
""",
    ),
    Scenario(
        "inspect bare",
        """\
create --name aa busybox true
inspect -f '{{json .Config}}' aa
$docker inspect -f '{{json .HostConfig}}' aa | sed 's/"MaskedPaths.*//'
inspect -f '{{json .State}}' aa
inspect -f '{{json .NetworkSettings}}' aa
inspect -f '{{json .Mounts}}' aa
inspect -f '{{range $k, $v := .}}{{$k}} {{end}}' aa
""",
    ),
    Scenario(
        "ps",
        """\
run -d --name web1 -l tier=web -p 8080:80 busybox sleep 100
run -d --name web2 -l tier=web -v vol:/v busybox sleep 100
run --name db -l tier=db -l x busybox sh -c 'exit 3'
create --name never busybox true
pause web2
ps -a --format '{{.Names}}|{{.Status}}|{{.Labels}}|{{.Mounts}}'
ps -aq --no-trunc
ps -a --format '{{.Names}}' --filter status=running
ps -a --format '{{.Names}}' --filter status=paused
ps -a --format '{{.Names}}' --filter status=exited
ps -a --format '{{.Names}}' --filter status=created
ps --format '{{.Names}}' --filter status=created --filter status=exited
ps -a --format '{{.Names}}' --filter exited=3
ps -a --format '{{.Names}}' --filter label=tier
ps -a --format '{{.Names}}' --filter label=tier=web --filter label=x
ps -a --format '{{.Names}}' --filter name=web
ps -a --format '{{.Names}}' --filter name='^/web1$'
ps -a --format '{{.Names}}' --filter name='['
ps -a --format '{{.Names}}' --filter ancestor=busybox
ps -a --format '{{.Names}}' --filter ancestor=nosuch
ps -a --format '{{.Names}}' --filter before=web2
ps -a --format '{{.Names}}' --filter since=web2
ps -a --format '{{.Names}}' --filter since=nosuch
ps -a --format '{{.Names}}' --filter volume=vol
ps -a --format '{{.Names}}' --filter volume=/v
ps -a --format '{{.Names}}' --filter network=bridge
ps -a --format '{{.Names}}' --filter network=nosuch
ps -a --format '{{.Names}}' --filter publish=8080
ps -a --format '{{.Names}}' --filter publish=80
ps -a --format '{{.Names}}' --filter publish=x
ps -a --format '{{.Names}}' --filter expose=80/tcp
ps -a --format '{{.Names}}' --filter health=none
ps -a --format '{{.Names}}' --filter is-task=true
ps -a --format '{{.Names}}' --filter isolation=default
ps -a --filter nosuch=1
ps -a --filter status=nosuch
ps -a --filter exited=x
ps -a --filter health=nosuch
ps -a --filter is-task=x
ps -a --filter x
ps -n 1 --format '{{.Names}}'
ps -l --format '{{.Names}}'
ps -n -1 --format '{{.Names}}'
ps -a --format '{{.Nosuch}}'
ps -a -s --format '{{.Names}}|{{.Size}}' --filter name=never
ps -a --format 'table {{.Names}}\\t{{.State}}'
ps -a --format json --filter name=never
create --name late -p 8082:82 busybox true
ps -a --format '{{.Names}}' --filter publish=8082
ps -a --format '{{.Names}}' --filter expose=82
container prune -f --filter label=tier=nosuch
container prune -f --filter nosuch=1
container prune -f --filter until=x
container prune -f
rm -f web1 web2
volume rm vol
""",
    ),
    Scenario(
        "update",
        """\
run -d --name aa -m 64m busybox sleep 100
update -m 32m aa
update -m 128m --memory-swap 128m aa
update -m 1m aa
update --cpus 0.5 --pids-limit 7 --cpu-shares 99 aa
exec aa sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpu/cpu.shares'
update --restart on-failure:2 aa
update --restart nosuch aa
update --cpuset-cpus 99 aa
update aa
inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy}} {{.HostConfig.PidsLimit}}' aa
run -d --name rr --rm busybox sleep 100
update --restart always rr
""",
    ),
    Scenario(
        "rename",
        """\
create --name aa busybox true
create --name bb busybox true
rename aa bb
rename aa 'x y'
rename aa cc
ps -a --format '{{.Names}}'
rename cc cc
""",
    ),
    Scenario(
        "changes",
        """\
run --name aa busybox sh -c 'echo x > /etc/new; rm /etc/group; mkdir /d; touch /d/f; chmod 700 /tmp; echo y >> /etc/passwd'
$docker diff aa | sort
commit aa made:1
commit -a me -m text -c 'ENV X=1' -c 'CMD ["env"]' -c 'EXPOSE 80' -c 'LABEL a=b' aa made:2
commit -c 'NOSUCH x' aa made:3
commit -c 'RUN x' aa made:3
commit aa Bad
run --rm -h box made:2
inspect -f '{{json .Config.Env}} {{json .Config.Cmd}} {{.Author}} {{.Comment}}' made:2
history --format '{{.CreatedBy}}|{{.Comment}}|{{.Size}}' made:2
$docker export aa | tar -t | grep -E '^(etc|d|dev)(/|$)' | sort
export -o $PWD/nosuch/x aa
rmi made:1 made:2
""",
    ),
    Scenario(
        "stats",
        """\
run -d --name aa -m 64m busybox sleep 100
stats --no-stream --format '{{.Name}}|{{.PIDs}}'
stats --no-stream --format '{{.Name}}|{{.PIDs}}' aa nosuch
""",
    ),
    Scenario(
        "attach",
        """\
run -d --name aa busybox sh -c 'sleep 0.7; echo done; exit 4'
attach aa
run -d --name pp busybox sleep 100
pause pp
attach pp
unpause pp
attach --detach-keys nosuch,x pp
""",
    ),
    Scenario(
        "restart policy",
        """\
run -d --name aa --restart on-failure:2 busybox sh -c 'exit 3'
$for i in $(seq 40); do [ $(docker inspect -f '{{.State.Status}}' aa) = exited ] && break; sleep 0.1; done
inspect -f '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' aa
""",
    ),
    Scenario(
        "health",
        """\
run -d --name aa --health-cmd 'echo fine' --health-interval 100ms busybox sleep 100
$for i in $(seq 40); do [ $(docker inspect -f '{{.State.Health.Status}}' aa) = healthy ] && break; sleep 0.1; done
ps --format '{{.Status}}'
ps -q --filter health=healthy --format '{{.Names}}'
inspect -f '{{.State.Health.Status}} {{.State.Health.FailingStreak}} {{(index .State.Health.Log 0).Output}}' aa
""",
    ),
)

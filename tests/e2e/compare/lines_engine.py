"""The engine itself, volumes, networks, events."""

# ruff: noqa: E501  # a command line stays whole

from tests.e2e.compare.sides import Scenario

SCENARIOS = (
    Scenario(
        "version",
        """\
version --format '{{.Client.Version}} {{.Server.Os}} {{.Server.Arch}}'
version --format '{{.Nosuch}}'
version x
info --format '{{.Containers}} {{.ContainersRunning}} {{.ContainersPaused}} {{.ContainersStopped}} {{.Images}} {{.Driver}}'
info --format '{{.OSType}} {{.Architecture}} {{.NCPU}} {{.MemTotal}} {{.CgroupDriver}} {{.CgroupVersion}} {{.LoggingDriver}}'
info --format '{{.MemoryLimit}} {{.SwapLimit}} {{.PidsLimit}} {{.CpuCfsQuota}} {{.CPUShares}} {{.CPUSet}} {{.OomKillDisable}} {{.IPv4Forwarding}}'
info --format '{{json .Swarm.LocalNodeState}} {{.Debug}}'
info --format '{{.IndexServerAddress}} {{.KernelVersion}} {{.OperatingSystem}} {{.Isolation}}'
nosuch
""",
    ),
    Scenario(
        "volumes",
        """\
volume create vol
volume create vol
volume create --label a=1 -o type=tmpfs -o device=tmpfs vol2
volume create 'bad name'
volume create x
volume create -o nosuch=1 vol4
volume create -d local vol2
volume ls
volume ls -q --filter name=vol
volume ls -q --filter label=a
volume ls -q --filter dangling=true
volume ls -q --filter dangling=x
volume ls -q --filter driver=local
volume ls -q --filter nosuch=1
volume inspect vol2
volume inspect vol nosuch -f '{{.Name}} {{.Driver}} {{.Scope}} {{json .Options}} {{json .Labels}} {{.Mountpoint}}'
inspect vol -f '{{.Name}}'
create --name aa -v vol:/v busybox true
volume ls -q --filter dangling=true
volume rm vol
volume rm -f vol
rm aa
volume rm nosuch
volume rm -f nosuch
volume rm vol2
volume prune -f --filter nosuch=1
$docker volume prune -f --filter label=nosuch
volume ls
""",
    ),
    Scenario(
        "network objects",
        """\
network ls
network create net
network create net
network create --subnet 10.99.0.0/24 --gateway 10.99.0.1 --ip-range 10.99.0.128/25 -l a=1 -o com.docker.network.bridge.name=brx --internal net2
network create --subnet 10.99.0.0/24 net3
network create --subnet nosuch net3
network create --subnet 10.98.0.0/24 --gateway 10.97.0.1 net3
network create --gateway 10.97.0.1 net3
network create --subnet 10.98.0.0/24 --ip-range 10.97.0.0/25 net3
network create --subnet 10.98.0.5/24 net3
network rm net3
network create -d host net3
network create -d null net3
network create 'bad name'
network create bridge
network create host
network ls --format '{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.Labels}}'
network ls --filter name=net --format '{{.Name}}'
network ls --filter driver=host --format '{{.Name}}'
network ls --filter type=custom --format '{{.Name}}'
network ls --filter type=builtin --format '{{.Name}}'
network ls --filter type=x
network ls --filter nosuch=1
network ls --filter label=a --format '{{.Name}}'
network ls --filter dangling=true --format '{{.Name}}'
network ls --filter dangling=x
$docker network inspect net2 | grep -v EnableIPv4
network inspect net -f '{{json .Options}} {{.Internal}} {{.Attachable}} {{.Ingress}} {{.EnableIPv6}} {{json .Containers}}'
$docker network inspect host none | grep -v EnableIPv4
network inspect nosuch
network rm nosuch
network rm bridge
network rm host none
network rm net net2
network prune -f --filter nosuch=1
network prune -f
network ls --format '{{.Name}}'
""",
    ),
    Scenario(
        "connections",
        """\
network create --subnet 10.99.0.0/24 net
run -d --name aa --network net --network-alias al --ip 10.99.0.7 busybox sleep 100
run -d --name bb --network net busybox sleep 100
$docker exec bb ip -o -4 addr show eth0 | cut -d: -f2
$docker inspect -f '{{json .NetworkSettings.Networks}}' aa | sed 's/."DNSNames.*//'
exec bb nslookup -type=a aa 127.0.0.11
exec bb cat /etc/resolv.conf
$docker exec bb ping -c 1 -W 1 -q al | grep -v round
run --rm --network net --ip 10.99.0.7 busybox true
run --rm --network net --ip 10.98.0.7 busybox true
run --rm --network net --ip nosuch busybox true
network connect bridge bb
network connect bridge bb
$docker exec bb ip -o -4 addr show eth1 | cut -d: -f2
network connect net nosuch
network connect nosuch bb
network connect host bb
network connect none bb
network connect --ip 10.99.0.50 net bb
network disconnect bridge bb
network disconnect bridge bb
network disconnect net nosuch
network disconnect nosuch bb
network disconnect -f net nosuch
network connect --ip 172.17.0.50 bridge bb
$docker network inspect net -f '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{println}}{{end}}' | sort
network rm net
network prune -f
stop -t 0 aa
network inspect net -f '{{range .Containers}}{{.Name}} {{end}}'
network disconnect net aa
start aa
exec aa ip -o -4 addr
network connect net aa
rm -f aa bb
create --name cc --network net busybox true
network rm net
start cc
network create net
start cc
inspect -f '{{.State.Error}}' cc
rm -f cc
network rm net
run -d --name nn --network none busybox sleep 100
network connect bridge nn
run -d --name hh --network host busybox sleep 100
network connect bridge hh
network disconnect host hh
""",
    ),
    Scenario(
        "events",
        """\
$date +%s.%N > since
create --name aa -l k=v busybox sh -c 'exit 3'
start -a aa
rename aa bb
rm bb
volume create ev
volume rm ev
network create evn
network rm evn
tag busybox evtag
rmi evtag
$docker events --since $(cat since) --until $(date +%s.%N) --format '{{.Type}} {{.Action}} {{.Actor.Attributes}}'
$docker events --since $(cat since) --until $(date +%s.%N) --filter type=container --filter event=die --format '{{.Type}} {{.Action}}'
$docker events --since $(cat since) --until $(date +%s.%N) --filter label=k --format '{{.Type}} {{.Action}} {{.Scope}}'
$docker events --since 10m --until $(date +%s.%N) --filter container=nosuch
events --since nosuch
events --since 10m --until nosuch
""",
    ),
    Scenario(
        "disk",
        """\
run --name aa -v dv:/v busybox sh -c 'echo 12345 > /f'
system df --format '{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}'
$docker system df -v | grep -c .
rm aa
volume rm dv
system prune -f --filter nosuch=1
system prune -f
""",
    ),
    Scenario(
        "raw requests",
        "".join(
            f"$curl -s --unix-socket ${{DOCKER_HOST#unix://}} -w ' %{{http_code}}' {call}\n"
            for call in (
                "http://d/_ping",
                "-I http://d/_ping | head -n 1",
                "http://d/nosuch",
                "http://d/v1.24/nosuch",
                "http://d/v1.41/containers/nosuch/json",
                "-XPOST -H Content-Type:application/json -d '{}' http://d/v1.41/volumes/create?x=y -o /dev/null",
                "-XPOST -H Content-Type:application/json -d '{}' http://d/v1.41/exec/nosuch/start",
                "http://d/v1.41/exec/nosuch/json",
                "-XDELETE http://d/v1.41/containers/nosuch",
                "-XPUT http://d/v1.41/containers/json",
                "'http://d/v1.41/images/nosuch/json'",
                "'http://d/v1.41/containers/nosuch/logs'",
                "-XPOST 'http://d/v1.41/images/create?fromImage=Bad'",
                "'http://d/v1.41/containers/nosuch/archive?path=/'",
                "http://d/v1.41/swarm",
                "http://d/v1.41/services",
                "http://d/v1.41/nodes",
                "http://d/v1.41/plugins",
                "http://d/v1.41/secrets",
                "http://d/v1.41/distribution/localhost:1/x/json",
            )
        ),
    ),
)

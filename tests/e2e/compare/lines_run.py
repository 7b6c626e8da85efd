"""run and create: options, and what is refused."""

# ruff: noqa: E501  # a command line stays whole

from tests.e2e.compare.sides import Scenario

SCENARIOS = (
    Scenario("hello", "run --rm busybox echo hello"),
    Scenario("exit code", "run --rm busybox sh -c 'echo out; echo err >&2; exit 7'"),
    Scenario("no such command", "run --rm busybox nosuch"),
    Scenario("not executable", "run --rm busybox /etc/passwd"),
    Scenario("a directory", "run --rm busybox /tmp"),
    Scenario("no command in image", "run --rm busybox"),
    Scenario("empty command", "run --rm busybox ''"),
    Scenario("no such image", "run --pull never --rm nosuch:1 true"),
    Scenario("bad image name", "run --rm BusyBox true"),
    Scenario(
        "identity",
        """\
run --rm -h box --domainname example.org busybox sh -c 'hostname; cat /etc/hostname; tail -n 1 /etc/hosts'
run --rm -u web busybox id
run --rm -u 1000:2000 busybox id
run --rm -u nobody:web busybox id
run --rm -u 4711 busybox id
run --rm --group-add extra --group-add 77 busybox id
run --rm -u nosuch busybox id
run --rm -u web:nosuch busybox id
run --rm -u -1 busybox id
run --rm --group-add nosuch busybox id
""",
    ),
    Scenario(
        "environment",
        """\
run --rm -h box -e A=1 -e B= busybox sh -c 'env | sort'
run --rm -e =x busybox env
run --rm -h box -t -e D busybox sh -c 'env | sort'
$printf 'X=1\\n#c\\nY=a b\\n' > envfile; docker run --rm -h box --env-file envfile busybox sh -c 'env | sort'
""",
    ),
    Scenario(
        "working directory",
        """\
run --rm -w /new/dir busybox pwd
run --rm -w relative busybox pwd
run --rm -w /etc/passwd busybox pwd
""",
    ),
    Scenario(
        "entrypoint",
        """\
run --rm --entrypoint echo busybox a b
run --rm --entrypoint '' busybox echo x
run --rm --entrypoint /nosuch busybox
""",
    ),
    Scenario(
        "limits seen inside",
        """\
run --rm -m 64m busybox cat /sys/fs/cgroup/memory/memory.limit_in_bytes
run --rm --cpus 0.5 busybox cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us
run --rm --cpu-shares 77 busybox cat /sys/fs/cgroup/cpu/cpu.shares
run --rm --pids-limit 9 busybox cat /sys/fs/cgroup/pids/pids.max
run --rm --cpuset-cpus 0 busybox cat /sys/fs/cgroup/cpuset/cpuset.cpus
run --rm --ulimit nofile=99:100 busybox sh -c 'ulimit -Sn; ulimit -Hn'
run --rm --shm-size 1m busybox sh -c 'df -k /dev/shm | tail -n 1'
run --rm --oom-score-adj 100 busybox cat /proc/self/oom_score_adj
run --rm --sysctl net.ipv4.ip_forward=1 busybox cat /proc/sys/net/ipv4/ip_forward
""",
    ),
    Scenario(
        "bad limits",
        """\
run --rm -m 1m busybox true
run --rm -m -5 busybox true
run --rm -m lots busybox true
run --rm -m 64m --memory-swap 32m busybox true
run --rm --memory-swap 64m busybox true
run --rm -m 64m --memory-reservation 128m busybox true
run --rm --memory-reservation 1k busybox true
run --rm --memory-swappiness 200 busybox true
run --rm --cpus 1000 busybox true
run --rm --cpus -1 busybox true
run --rm --cpus 1 --cpu-quota 1000 busybox true
run --rm --cpu-period 5 busybox true
run --rm --cpu-quota 5 busybox true
run --rm --cpu-shares -1 busybox true
run --rm --cpuset-cpus 99 busybox true
run --rm --cpuset-cpus x busybox true
run --rm --cpuset-mems 7 busybox true
run --rm --pids-limit -1 busybox cat /sys/fs/cgroup/pids/pids.max
run --rm --pids-limit x busybox true
run --rm --ulimit nofile=10:5 busybox true
run --rm --ulimit nosuch=1 busybox true
run --rm --shm-size -1 busybox true
run --rm --oom-score-adj 2000 busybox true
run --rm --sysctl kernel.nosuch=1 busybox true
run --rm --sysctl nosuch busybox true
run --rm --device /dev/nosuch busybox true
run --rm --device /dev/null:/dev/x:z busybox true
""",
    ),
    Scenario(
        "capabilities",
        """\
run --rm busybox grep Cap /proc/self/status
run --rm --cap-drop all --cap-add chown busybox grep Cap /proc/self/status
run --rm --cap-add NET_ADMIN --cap-drop MKNOD busybox grep Cap /proc/self/status
run --rm -u web --cap-add NET_ADMIN busybox grep Cap /proc/self/status
run --rm --cap-add NOSUCH busybox true
run --rm --cap-drop NOSUCH busybox true
run --rm --security-opt no-new-privileges busybox grep -E 'NoNew|Seccomp:' /proc/self/status
run --rm --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status
run --rm --security-opt nosuch=1 busybox true
run --rm --security-opt seccomp=/nosuch busybox true
run --rm --read-only busybox touch /x
run --rm --tmpfs /t:size=64k,mode=700 busybox sh -c 'mount | grep " /t "; stat -c %a /t'
run --rm --tmpfs t busybox true
run --rm --tmpfs /t:nosuch busybox true
run --rm busybox ls /dev
run --rm busybox sh -c 'cut -d" " -f2-4 /proc/mounts | grep -Ev "cgroup|^/ |^/etc|interrupts" | sed "s/,size=4k.*//" | sort'
""",
    ),
    Scenario(
        "mounts",
        """\
$mkdir -p host/sub; echo text > host/file
run --rm -v $PWD/host:/h busybox sh -c 'ls /h; touch /h/made'
run --rm -v $PWD/host:/h:ro busybox touch /h/x
run --rm -v $PWD/host/file:/etc/passwd:ro busybox cat /etc/passwd
run --rm -v $PWD/new:/h busybox ls -a /h
run --rm --mount type=bind,source=$PWD/nosuch,target=/h busybox true
run --rm --mount type=bind,source=$PWD/host,target=/h,readonly busybox touch /h/x
run --rm --mount type=tmpfs,target=/h,tmpfs-size=64k busybox sh -c 'df -k /h | tail -n 1'
run --rm --mount type=volume,source=vol,target=/h busybox touch /h/x
run --rm -v vol:/h:ro busybox ls /h
run --rm -v vol:/bin:nocopy busybox true
run --rm -v vol2:/etc busybox ls /etc
run --rm -v vol2:/x busybox ls /x
volume rm vol vol2
run --rm -v relative/path:/h busybox true
run --rm -v vol:relative busybox true
run --rm -v vol:/ busybox true
run --rm -v $PWD/host:/h:nosuch busybox true
run --rm -v a:b:c:d busybox true
run --rm -v /:/ busybox true
run --rm -v $PWD/host:/h -v $PWD/host:/h busybox true
run --rm -v '' busybox true
run --rm -v x!:/h busybox true
run --rm -v vol:/h:ro,rw busybox true
run --rm --mount type=nosuch,target=/h busybox true
run --rm --mount type=bind,target=/h busybox true
run --rm --mount type=volume busybox true
run --rm --mount type=tmpfs,source=x,target=/h busybox true
run --rm --volumes-from nosuch busybox true
volume ls
""",
    ),
    Scenario(
        "volumes from",
        """\
run --name aa -v /data -v named:/n busybox sh -c 'echo x > /data/f'
run --rm --volumes-from aa busybox cat /data/f
run --rm --volumes-from aa:ro busybox touch /data/g
run --rm --volumes-from aa:zz busybox true
rm -v aa
volume ls -q
volume rm named
""",
    ),
    Scenario(
        "networks",
        """\
run --rm --network none busybox ip -o -4 addr
run --rm --network host busybox ip -o -4 addr show lo
run --rm busybox sh -c 'ip -o -4 addr show eth0 | cut -d: -f2; ip route'
run --rm --network nosuch busybox true
run --rm --network container:nosuch busybox true
run --rm --network container: busybox true
run --rm --network host -p 80:80 busybox true
run --rm --network none -h x --add-host a:1.2.3.4 busybox cat /etc/hosts
run --rm --add-host a busybox true
run --rm --add-host a:b busybox true
run --rm --dns 9.9.9.9 --dns-search example.org --dns-option ndots:2 busybox sort /etc/resolv.conf
run --rm --dns bad busybox true
run --rm --ip 172.17.0.9 busybox true
run --rm --mac-address zz busybox true
run --rm --network-alias x busybox true
run --rm --link nosuch busybox true
run --rm -h bad_name! busybox true
""",
    ),
    Scenario(
        "namespaces of others",
        """\
run -d --name aa -h box busybox sleep 100
run --rm --network container:aa busybox hostname
run --rm --network container:aa -h x busybox hostname
run --rm --network container:aa -p 80:80 busybox hostname
run --rm --pid container:aa busybox ps -o args
run --rm --pid nosuch busybox true
run --rm --pid container:nosuch busybox true
run --rm --ipc container:aa busybox true
run --rm --ipc shareable busybox true
run --rm --ipc container:nosuch busybox true
run --rm --ipc nosuch busybox true
run --rm --uts host busybox true
run --rm --uts nosuch busybox true
run --rm --cgroupns nosuch busybox true
run --rm --userns nosuch busybox true
run --rm --link aa:bb busybox grep -c bb /etc/hosts
stop -t 0 aa
run --rm --network container:aa busybox true
run --rm --pid container:aa busybox true
run --rm --link aa:bb busybox true
""",
    ),
    Scenario(
        "ports",
        """\
run -d --name aa -p 8080:80 -p 127.0.0.1:8081:81/udp -p 9000-9001:9000-9001 --expose 70 busybox sleep 100
port aa
port aa 80
port aa 80/tcp
port aa 81/udp
port aa 81
port aa x
port nosuch
ps --format '{{.Ports}}'
run --name bb -p 8080:1 busybox true
ps -a --filter name=bb --format '{{.Names}} {{.State}}'
inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' bb
run --rm -p x busybox true
run --rm -p 70000 busybox true
run --rm -p 1:2:3:4 busybox true
run --rm -p 80:80/sctpx busybox true
run --rm -p 10-20:30 busybox true
run --rm -p 1-2:3-5 busybox true
run --rm -p 999.1.1.1:80:80 busybox true
run --rm -p 10.255.255.1:80:80 busybox true
run --rm --expose x busybox true
run -d --name cc -p 80 --expose 81 -P busybox sleep 100
port cc
ps --filter name=cc --format '{{.Ports}}'
""",
    ),
    Scenario(
        "names and flags",
        """\
create --name aa busybox true
run --name aa busybox true
create --name '/b' busybox true
create --name 'x y' busybox true
create --name xx busybox
create --name ' ' busybox true
create --name a- busybox true
create --name -a busybox true
run --rm --restart always busybox true
run --restart nosuch busybox true
run --restart on-failure:x busybox true
run --restart on-failure:-1 busybox true
run --restart always:3 busybox true
run --stop-signal NOSUCH busybox true
run --stop-timeout -1 --rm busybox true
run --runtime nosuch busybox true
run --log-opt nosuch=1 busybox true
run --log-opt max-size=x busybox true
run --log-opt max-file=0 busybox true
run --log-driver none --name nn busybox true
logs nn
run --isolation hyperv busybox true
run --label '' busybox true
run -l a=1 -l b --name lab busybox true
inspect -f '{{json .Config.Labels}}' lab
run --platform windows busybox true
run --rm --platform linux busybox echo fits
run --platform x/y/z/w busybox true
run --cidfile $PWD/cid --rm busybox true
run --cidfile $PWD/cid --rm busybox true
run --nosuch busybox
run
run --rm -d --name r1 busybox true
run -it --rm busybox true
run -a stdin --rm busybox true
run -d -a stdout busybox true
run --health-interval 1us --health-cmd x busybox true
run --health-retries -1 --health-cmd x busybox true
run --no-healthcheck --health-cmd x busybox true
run --rm --storage-opt size=1G busybox true
run --gpus all --rm busybox true
""",
    ),
)

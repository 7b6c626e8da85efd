#!/bin/bash
# Containers on a host with cgroup v2 alone: test_cgroup2_vm.py runs this in a virtual machine.
# Prints one line a check: CHECK <name> ok|fail <what was found>. @image@ is a root file system (tar).
ROOT=/run/dockyard
TREE=/sys/fs/cgroup/pydocker
export DOCKER_HOST=unix://$ROOT/docker.sock DOCKER_CONFIG=$ROOT

docker() { timeout 90 docker "$@" 2>&1; }

# check NAME PATTERN FOUND: the pattern is a glob of the shell's.
check() {
  local verdict=fail
  # shellcheck disable=SC2053
  [[ $3 == $2 ]] && verdict=ok
  printf 'CHECK %s %s %q (asked for %q)\n' "$1" $verdict "$3" "$2"
}

start_daemon() {
  .venv/bin/pydocker daemon --host=$DOCKER_HOST --data-root=$ROOT/data --exec-root=$ROOT/exec \
    --pidfile=$ROOT/pid --config-file=$ROOT/daemon.json >> $ROOT/log 2>&1 &
  daemon=$!
  until docker version > /dev/null; do
    kill -0 $daemon || { cat $ROOT/log; exit 1; }
    sleep 0.3
  done
}

group() { docker inspect -f "$TREE/{{.Id}}" "$1"; }

# await SECONDS COMMAND…: until it succeeds.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}

mkdir -p $ROOT
touch $ROOT/daemon.json
check host_has_no_v1 '0' "$(grep -c ' cgroup ' /proc/mounts)"
start_daemon
docker import - busybox < @image@ > /dev/null

check info 'version 2 cgroupfs limits true true true true true' "$(docker info -f \
  'version {{.CgroupVersion}} {{.CgroupDriver}} limits {{.MemoryLimit}} {{.SwapLimit}} {{.CPUCfsQuota}} {{.CPUSet}} {{.PidsLimit}}')"

# --- run, logs, exec
check exit_code $'said\n7' "$(docker run --rm busybox sh -c 'echo said; exit 7'; echo $?)"
check limits_seen_inside $'memory.max:33554432\nmemory.low:16777216\nmemory.swap.max:33554432\ncpu.max:50000 100000\ncpu.weight:20\npids.max:20\ncpuset.cpus:0' \
  "$(docker run --rm -m 32m --memory-reservation 16m --cpus 0.5 --cpu-shares 512 --pids-limit 20 --cpuset-cpus 0 busybox sh -c \
    'cd /sys/fs/cgroup && grep . memory.max memory.low memory.swap.max cpu.max cpu.weight pids.max cpuset.cpus')"
check no_swap $'33554432\n0' \
  "$(docker run --rm -m 32m --memory-swap 32m busybox cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.swap.max)"
check own_namespace '0::/ ro,* ' \
  "$(docker run --rm busybox sh -c 'cat /proc/self/cgroup; grep " cgroup2 " /proc/mounts | cut -d" " -f4' | tr '\n' ' ')"
check tree_is_read_only '*Read-only file system*' "$(docker run --rm busybox mkdir /sys/fs/cgroup/mine)"
check privileged_may_divide_its_group $'memory.max\nleft 0' \
  "$(docker run --rm --privileged --cgroupns private busybox sh -c 'cd /sys/fs/cgroup && mkdir a b && echo $$ > a/cgroup.procs &&
    echo +memory > cgroup.subtree_control && ls b | grep -x memory.max'; echo "left $(find $TREE -mindepth 1 -type d | wc -l)")"

check controllers_that_are_missing_are_named '*the cgroup controller is not enabled here*125' \
  "$(docker run --rm -m 32m --cgroup-parent /system.slice/test.service busybox true; echo $?)"
check block_io_weight 'default 2930' "$(docker run --rm --blkio-weight 300 busybox cat /sys/fs/cgroup/io.weight)"
check privileged_has_a_view_of_its_own '0::/' "$(docker run --rm --privileged busybox cat /proc/self/cgroup)"
check what_version_2_lacks_is_warned_of '*Memory swappiness discarded*' \
  "$(docker run --rm -m 32m --memory-swappiness 10 busybox true)"

docker run -d --name main -m 64m --pids-limit 12 -p 8080:80 busybox \
  sh -c 'echo up > index.html; httpd -p 80; i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done' > /dev/null
main=$(group main)
check group_of_the_container '0::/pydocker/*' "$(cat "/proc/$(docker inspect -f '{{.State.Pid}}' main)/cgroup")"
check logs '1' "$(await 30 eval '[ "$(docker logs main | head -1)" = 1 ]'; docker logs main | head -1)"
check exec $'inside\n3' "$(docker exec main sh -c 'echo inside; exit 3'; echo $?)"
check exec_joins_the_group '0::/' "$(docker exec main cat /proc/self/cgroup)"
check published_port 'up' "$(/run/busybox wget -qO- http://127.0.0.1:8080/)"

# --- what limits do
check stats '[1-9]*iB / 64MiB *% pids [23]' "$(docker stats --no-stream --format '{{.MemUsage}} {{.CPUPerc}} pids {{.PIDs}}' main)"
docker exec main sh -c 'for i in $(seq 20); do sleep 5 & done' > /dev/null
check pids_limit_holds $'refused\nat most 12' \
  "$([ "$(cut -d' ' -f2 "$main/pids.events")" -gt 0 ] && echo refused; [ "$(cat "$main/pids.peak")" -le 12 ] && echo at most 12)"
docker run --name oom -m 32m busybox tail /dev/zero > /dev/null
check oom_killed 'true 137' "$(docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom)"
check others_are_not_oom_killed 'false true' "$(docker inspect -f '{{.State.OOMKilled}} {{.State.Running}}' main)"
docker run -d --name divided --privileged busybox sh -c 'cd /sys/fs/cgroup && mkdir a && echo $$ > a/cgroup.procs &&
  echo +memory > cgroup.subtree_control && exec sleep 1000' > /dev/null
divided() { grep -q memory "$(group divided)/cgroup.subtree_control"; }
await 30 divided
check exec_into_a_divided_group '0::/a' "$(docker exec divided cat /proc/self/cgroup)"
docker rm -f divided > /dev/null
docker run -d --name busy --cpus 0.1 busybox sh -c 'while :; do :; done' > /dev/null
throttled() { grep -q 'nr_throttled [1-9]' "$(group busy)/cpu.stat"; }
check cpu_limit_holds 'throttled' "$(await 30 throttled && echo throttled)"
docker rm -f busy > /dev/null

# --- pause, update
frozen() { grep frozen "$main/cgroup.events"; }
docker pause main > /dev/null
check pause $'frozen 1\npaused' "$(frozen; docker inspect -f '{{.State.Status}}' main)"
check exec_while_paused '*is paused*' "$(docker exec main true)"
docker unpause main > /dev/null
check unpause $'frozen 0\nrunning' "$(frozen; docker inspect -f '{{.State.Status}}' main)"
docker run -d --name still busybox sleep 1000 > /dev/null
docker pause still > /dev/null
check remove_while_paused 'still' "$(docker rm -f still)"
docker update -m 128m --memory-swap 160m --cpus 0.75 --pids-limit 40 main > /dev/null
check update_live $'134217728\n33554432\n75000 100000\n40' "$(cd "$main" && cat memory.max memory.swap.max cpu.max pids.max)"
check update_is_shown '134217728 750000000 40 128MiB' \
  "$(docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}' main | tr '\n' ' '
    docker stats --no-stream --format '{{.MemUsage}}' main | sed 's/.*\/ //')"

# --- devices
check own_devices_work 'ok' "$(docker run --rm busybox sh -c 'head -c 1 /dev/urandom > /dev/null && echo > /dev/null && echo ok')"
check other_devices_are_refused '*not permitted*' "$(docker run --rm busybox sh -c 'mknod /dev/k c 10 183 && head -c 1 /dev/k > /dev/null && echo open')"

# --- the daemon dies
docker run -d --name short busybox sh -c 'sleep 3; exit 9' > /dev/null
before=$(docker inspect -f '{{.State.Pid}}' main)
kill -9 $daemon
wait $daemon 2> /dev/null
await 60 eval '! pgrep -f "sleep 3" > /dev/null'
start_daemon
check found_after_kill "running $before" "$(docker inspect -f '{{.State.Status}} {{.State.Pid}}' main)"
check log_has_no_gap 'complete' "$(docker logs main | awk '$1 != NR { bad = 1 } END { print bad ? "gap" : "complete" }')"
check exec_after_kill 'inside' "$(docker exec main echo inside)"
check update_after_kill '67108864' "$(docker update -m 64m --memory-swap 96m main > /dev/null; cat "$main/memory.max")"
check exit_while_dead_is_known 'exited 9' "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' short)"
check stop $'main\nexited 137' "$(docker stop -t 1 main; docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' main)"
check start_again 'running' "$(docker start main > /dev/null; docker inspect -f '{{.State.Status}}' main)"

# --- nothing stays
docker rm -f main oom short > /dev/null
check no_group_left '0' "$(find $TREE -mindepth 1 -type d | wc -l)"
docker run --rm --cgroup-parent /one/two -m 32m busybox true
check other_parent '0' "$(find /sys/fs/cgroup/one/two -mindepth 1 -type d | wc -l)"
check daemon_logged_no_error '' "$(grep -v level=info $ROOT/log)"

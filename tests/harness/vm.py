"""A virtual machine with a kernel and control groups of its own: `run_in_vm`.

QEMU interprets the guest (TCG), so no hardware support is needed; programs run some ten times slower
than outside, a kernel boots in seconds. The guest sees this machine's file system (9p, read-only) below
an overlay in its memory: checkout, virtual environment and docker CLI are where they are outside, and
what it writes is gone with it. Its /sys/fs/cgroup is version 2 alone, as systemd mounts it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.harness.vm_kernel import Unavailable, fetch, initramfs

__all__ = ["Unavailable", "VmError", "run_in_vm"]

QEMU = "qemu-system-x86_64"
CHECKOUT = Path(__file__).resolve().parents[2]

# ttyS0 has the kernel's messages and /init's errors, ttyS1 what the script prints.
INIT = r"""#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev /lower /rw /root
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "/modules/$module"; done < /modules/order
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 root /lower
$b mount -t tmpfs -o size=75% rw /rw
$b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /root
for d in proc sys dev; do $b mount -o move "/$d" "/root/$d"; done
$b mkdir -p /root/dev/pts /root/dev/shm /root/dev/mqueue
$b mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /root/dev/pts
$b mount -t tmpfs shm /root/dev/shm
$b mount -t mqueue mqueue /root/dev/mqueue
$b mount -t tmpfs run /root/run
$b mount -t cgroup2 -o nsdelegate cgroup2 /root/sys/fs/cgroup
for controller in $($b cat /root/sys/fs/cgroup/cgroup.controllers); do
  echo "+$controller" > /root/sys/fs/cgroup/cgroup.subtree_control
done
$b mkdir -p /root/sys/fs/cgroup/system.slice/test.service
$b ifconfig lo 127.0.0.1 up
$b hostname vm
$b cp /script /root/run/script
$b cp /bin/busybox /root/run/busybox
$b cat > /root/run/stage2 <<'EOT'
echo $$ > /sys/fs/cgroup/init.scope/cgroup.procs 2>/dev/null
/run/busybox stty -F /dev/ttyS1 raw -echo
cd "$checkout"
export PATH="$path" HOME=/root
(
  echo 0 > /sys/fs/cgroup/system.slice/test.service/cgroup.procs
  exec /run/script
) < /dev/null > /dev/ttyS1 2>&1
code=$?
printf '\nEXIT %d\n' "$code" > /dev/ttyS1
/run/busybox stty -F /dev/ttyS1 > /dev/null
/run/busybox poweroff -f
EOT
$b mkdir /root/sys/fs/cgroup/init.scope
exec $b switch_root /root /bin/sh /run/stage2
"""


class VmError(AssertionError):
    """The machine did not run the script to its end; has what it said."""


def run_in_vm(script: str, timeout: float, *, memory_mb: int = 2048, cpus: int = 2) -> str:
    """Boot, run `script` (with its #! line) as root in the checkout, power off; what it printed.

    Raises Unavailable where there is no QEMU or kernel, VmError for a script that failed, hung or was
    cut off by a crash of the kernel.
    """
    if shutil.which(QEMU) is None:
        raise Unavailable(f"{QEMU} is missing: install the package qemu-system-x86")
    kernel = fetch()
    with tempfile.TemporaryDirectory(prefix="vm-") as scratch:
        directory = Path(scratch)
        init = INIT.replace("$checkout", str(CHECKOUT)).replace("$path", os.environ["PATH"])
        (directory / "initrd").write_bytes(initramfs(kernel, init, script))
        command = _command(kernel.image, directory, memory_mb, cpus)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
            how = f"qemu exited {done.returncode}: {done.stderr.strip()}"
        except subprocess.TimeoutExpired:
            how = f"not finished after {timeout:g} s"
        printed = _text(directory / "output")
        console = _text(directory / "console")
    output, marker, code = printed.rpartition("\nEXIT ")
    if not marker or code.strip() != "0":
        raise VmError(f"the script exited {code.strip() or '(not at all)'}; {how}\n{printed[-6000:]}\n"
                      f"--- console of the machine:\n{console[-4000:]}")  # fmt: skip
    return output


def _text(path: Path) -> str:
    text = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
    return re.sub(r"\r+\n", "\n", text)


def _command(image: Path, directory: Path, memory_mb: int, cpus: int) -> list[str]:
    arguments = "console=ttyS0 loglevel=4 panic=-1 mitigations=off no5lvl nokaslr audit=0 random.trust_cpu=on"
    return [
        QEMU, "-machine", "q35,usb=off", "-accel", "tcg,thread=multi,tb-size=512",
        "-cpu", "max", "-smp", str(cpus), "-m", str(memory_mb),
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", str(image), "-initrd", str(directory / "initrd"), "-append", arguments,
        "-serial", f"file:{directory / 'console'}", "-serial", f"file:{directory / 'output'}",
        "-device", "virtio-rng-pci",
        "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
    ]  # fmt: skip

"""A kernel and an initramfs for the virtual machines of tests.

The kernel is Debian's own package, taken from the mirror and unpacked into a cache, never installed:
installing one runs hooks that have no business on a test machine. The initramfs is a static busybox,
the modules, and an /init; we write the archive ourselves (cpio "newc", kernel
Documentation/driver-api/early-userspace/buffer-format.rst).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

BUSYBOX = Path("/bin/busybox")
#: Depends on the current kernel. The -cloud- flavour, a third of the size, has no 9p.
META_PACKAGE = "linux-image-amd64"

BUILTIN = "modules.builtin"

#: What the machine and an engine in it need; what these depend on is found in the modules themselves.
MODULES = (
    "crc32c_generic", "virtio_pci", "virtio_rng", "9p", "9pnet_virtio", "overlay", "veth", "bridge",
    "br_netfilter", "macvlan", "nf_tables", "nft_chain_nat", "nft_nat", "nft_masq", "nft_ct", "nft_fib_inet",
    "nft_reject_inet",
)  # fmt: skip


class Unavailable(Exception):
    """The kernel can't be had here; says why."""


@dataclass(frozen=True)
class Kernel:
    """`image` boots; `modules` are files in an order in which they can be loaded."""

    release: str
    image: Path
    modules: tuple[Path, ...]


def cache_directory() -> Path:
    """Where downloads stay between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dockyard-test"


def fetch() -> Kernel:
    """The newest kernel of the distribution, from the cache if it is there. Raises Unavailable."""
    cached = sorted(cache_directory().glob("linux-*/vmlinuz"), key=lambda image: image.stat().st_mtime)
    directory = cached[-1].parent if cached else _download()
    files = {_name(path): path for path in (directory / "modules").iterdir()}
    builtin = {_name(Path(line)) for line in (directory / BUILTIN).read_text().splitlines()}
    modules = in_load_order(MODULES, files, builtin)
    return Kernel(directory.name.removeprefix("linux-"), directory / "vmlinuz", tuple(modules))


def _name(path: Path) -> str:
    """A module's name: "-" in the file's is "_" in its own."""
    return path.stem.replace("-", "_")


def _apt(*command: str, cwd: str | None = None) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=cwd)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise Unavailable(f"{command[0]} does not work here: {exc}") from exc
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _package() -> str:
    """The package that META_PACKAGE stands for today."""
    found = re.search(r"^\s*Depends: (linux-image-\S+)", _apt("apt-cache", "depends", META_PACKAGE), re.M)
    if not found:
        raise Unavailable(f"no package {META_PACKAGE} in the package lists")
    return found[1]


def _download() -> Path:
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        try:
            package = _package()
            _apt("apt-get", "-q", "download", package, cwd=scratch)
        except Unavailable:
            _apt("apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", "update")  # lists may be old, or absent
            package = _package()
            _apt("apt-get", "-q", "download", package, cwd=scratch)
        (deb,) = Path(scratch).glob("*.deb")
        unpacked = Path(scratch) / "unpacked"
        _unpack(deb, unpacked)
        target = cache / package.replace("linux-image-", "linux-")
        shutil.rmtree(target, ignore_errors=True)
        return unpacked.rename(target)


def _unpack(deb: Path, target: Path) -> None:
    """Take the kernel and all modules that may matter, out of 400 MB."""
    (target / "modules").mkdir(parents=True)
    wanted = re.compile(
        r"/kernel/((crypto|fs|lib|net|drivers/virtio|drivers/char/hw_random|arch/x86/crypto)/|drivers/net/[^/]+$)"
    )
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
            for member in tar:
                name = Path(member.name).name
                if name.startswith("vmlinuz-"):
                    place = target / "vmlinuz"
                elif name == BUILTIN:
                    place = target / BUILTIN
                elif name.endswith(".ko") and wanted.search(member.name):
                    place = target / "modules" / name
                else:
                    continue
                file = tar.extractfile(member)
                if file is not None:
                    place.write_bytes(file.read())
        process.stdout.read()  # the padding; dpkg-deb fails if nobody takes it
    if process.returncode or not (target / "vmlinuz").exists():
        raise Unavailable(f"{deb.name} holds no kernel")


def in_load_order(names: Iterable[str], files: Mapping[str, Path], builtin: Container[str]) -> list[Path]:
    """The files of modules, each after those it depends on (its .modinfo says which).

    Raises Unavailable for one that is neither there nor `builtin`.
    """
    ordered: dict[str, Path] = {}

    def add(name: str) -> None:
        if name in ordered or name in builtin:
            return
        if name not in files:
            raise Unavailable(f"the kernel has no module {name}")
        info = re.search(rb"\0depends=([^\0]*)\0", files[name].read_bytes())
        for needed in filter(None, (info[1].decode() if info else "").split(",")):
            add(needed.replace("-", "_"))
        ordered[name] = files[name]

    for name in names:
        add(name)
    return list(ordered.values())


def cpio(files: Mapping[str, bytes], executable: Iterable[str] = ()) -> bytes:
    """An archive of regular files and the directories above them."""
    may_run = set(executable)
    directories = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    entries: list[tuple[str, int, bytes]] = [(name, 0o40755, b"") for name in sorted(directories)]
    entries += [(n, 0o100755 if n in may_run else 0o100644, data) for n, data in files.items()]
    entries.append(("TRAILER!!!", 0, b""))
    archive = bytearray()
    for inode, (name, mode, data) in enumerate(entries, start=1):
        numbers = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        archive += b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def initramfs(kernel: Kernel, init: str, script: str) -> bytes:
    """The archive the kernel unpacks and whose /init it runs; `script` is at /script."""
    files = {
        "init": init.encode(),
        "script": script.encode(),
        "bin/busybox": BUSYBOX.read_bytes(),
        "modules/order": "".join(f"{path.name}\n" for path in kernel.modules).encode(),
        **{f"modules/{path.name}": path.read_bytes() for path in kernel.modules},
    }
    return cpio(files, executable=("init", "script", "bin/busybox"))

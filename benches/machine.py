"""Where the measurements take place: folders, tools, the lab's addresses, and running one command."""

import json
import os
import pathlib
import platform
import re
import resource
import shutil
import subprocess
import time

LIMIT_SECONDS = 300


class Failed(Exception):
    pass


def lab():
    """The addresses that lab/start wrote."""
    folder = os.environ.get("SHIPIT_LAB")
    if not folder:
        raise SystemExit("benches: run make bench, which starts the servers")
    lines = pathlib.Path(folder, "env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def target_folder(root):
    described = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1", "--manifest-path", root / "Cargo.toml"],
        check=True, text=True, stdout=subprocess.PIPE, timeout=LIMIT_SECONDS,
    )
    return pathlib.Path(json.loads(described.stdout)["target_directory"])


class Ground:
    def __init__(self, root, work, lab_addresses):
        self.root = root
        self.work = work
        self.base = lab_addresses["LAB_BASE"]
        self.base_layout = lab_addresses["LAB_BASE_LAYOUT"]
        self.shipit = target_folder(root) / "release/shipit"
        self.crane = root / ".lab/bin/crane"
        self.oras = root / ".lab/bin/oras"
        self.jar = pathlib.Path(self.take([root / "lab/jar", "clinic"]).strip())

    def folder(self, name):
        """A new, empty folder of that name."""
        path = self.work / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def take(self, command):
        """Standard output of a command that is not measured."""
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, timeout=LIMIT_SECONDS).stdout

    def timed(self, *commands, cwd=None, env=None):
        """Runs commands one after the other; gives seconds of wall time."""
        begun = time.perf_counter()
        for command in commands:
            try:
                done = subprocess.run(
                    [str(word) for word in command],
                    cwd=cwd,
                    env={**os.environ, **(env or {})},
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=LIMIT_SECONDS,
                )
            except subprocess.TimeoutExpired as hung:
                raise Failed(f"{pathlib.Path(command[0]).name}: not done after {LIMIT_SECONDS} s") from hung
            if done.returncode != 0:
                reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
                raise Failed(f"{pathlib.Path(command[0]).name}: exit code {done.returncode}: " + " / ".join(reason))
        return time.perf_counter() - begun

    def peak(self, *command, cwd=None, env=None):
        """Runs one command; gives its peak resident memory in bytes."""
        note = self.work / "peak"
        wrapped = ["/usr/bin/time", "--format", "%M", "--output", note, *command]
        self.timed(wrapped, cwd=cwd, env=env)
        return int(note.read_text().split()[-1]) * 1024


def describe(ground):
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return "\n".join([
        f"Machine: {model.group(1) if model else 'unknown'}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Linux {platform.release()}, load {load:.1f} at the start",
        f"Jar:     fixtures/clinic, {ground.jar.stat().st_size / 1e6:.1f} MB",
        f"Base:    a JRE from Debian packages, {size_of_layout(ground.base_layout) / 1e6:.1f} MB compressed, "
        "on a registry on loopback",
    ])


def size_of_layout(layout):
    return sum(blob.stat().st_size for blob in pathlib.Path(layout, "blobs/sha256").iterdir())


# Children inherit it: tools that open many files at once must not fail for that.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))

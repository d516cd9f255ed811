"""Shows that HEAD gives the same bytes in fresh clones with empty caches, whatever threads, hash seed and processor.

With --here, in this folder and in one clone side by side, which takes half the time. Compares what dvc.lock and git know
of every output with what is committed. Leaves no clone behind, and exits with 1 where a byte differs.
"""

import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import yaml
from rich.console import Console

from clones import ROOT, cloned, environment, git
from locks import differences

AT_ONCE = 2  # clones that run side by side: each takes one or two cores and at most 1.5 GB
OLD_CORES = {"x86_64": "Nehalem", "AMD64": "Nehalem", "aarch64": "ARMV8", "arm64": "ARMV8"}
NEW_INSTRUCTIONS = ("AVX", "AVX2", "FMA", "FMA4", "AVX512F", "AVX512VL", "AVX512BW", "AVX512DQ", "BMI2", "ERMS")
console = Console(highlight=False, markup=False, soft_wrap=True)


def another_processor() -> dict[str, str]:
    """Settings under which numpy, OpenBLAS, Arrow and the C library take the paths of an older processor.

    A library skips names that it does not know. ONNX Runtime has no such setting: here it runs as on this processor.
    """
    return {
        "NPY_DISABLE_CPU_FEATURES": " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])),
        "OPENBLAS_CORETYPE": OLD_CORES.get(platform.machine(), ""),
        "ARROW_USER_SIMD_LEVEL": "NONE",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=" + ",".join(f"-{name}" for name in NEW_INSTRUCTIONS),
    }


def circumstances() -> dict[str, dict[str, str]]:
    """The environments in which HEAD is reproduced, by name."""
    one, two = ({"OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count} for count in "12")
    return {
        "one thread, hash seed 0": {**one, "PYTHONHASHSEED": "0"},
        "another processor": {**one, **another_processor()},
        "two threads, hash seed 1234": {**two, "PYTHONHASHSEED": "1234"},
    }


class Reproduction:
    """``dvc repro`` in a fresh clone, in a process group of its own so that it can be ended as a whole."""

    def __init__(self, name: str, folder: Path, commit: str, settings: dict[str, str]) -> None:
        self.name, self.printed = name, folder / "printed.txt"
        self.clone, self.environment = self.place(folder, commit, settings)

    def place(self, folder: Path, commit: str, settings: dict[str, str]) -> tuple[Path, dict[str, str]]:
        """Where it runs, and in which environment."""
        return cloned(folder, commit), environment(folder, **settings)

    def start(self) -> None:
        self.since = time.perf_counter()
        with self.printed.open("w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                ["dvc", "repro"], cwd=self.clone, env=self.environment, stdout=file, stderr=file, start_new_session=True
            )

    def ended(self) -> bool:
        self.seconds = time.perf_counter() - self.since
        return self.process.poll() is not None

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stages_run(self) -> list[str]:
        lines = self.printed.read_text(encoding="utf-8").splitlines()
        return [line.split("'")[1] for line in lines if line.startswith("Running stage")]

    def ran(self, expected: list[str]) -> bool:
        """Whether all ``expected`` stages ran and no other."""
        return self.stages_run() == expected

    def report(self, expected: list[str], caches: list[Path]) -> bool:
        """Whether the ``expected`` stages ran and left what is committed; prints a line, and whatever did not."""
        faults = list(
            differences(git("show", "HEAD:dvc.lock", at=self.clone), (self.clone / "dvc.lock").read_text(), caches)
        )
        faults += [f"git status: {line}" for line in git("status", "--porcelain", at=self.clone).splitlines()]
        if self.process.returncode:
            faults = [f"dvc repro ended with {self.process.returncode}:\n{self.printed.read_text()}", *faults]
        elif not self.ran(expected):
            faults.append(f"ran the stages {self.stages_run()}, expected {expected}")
        console.print(f"  {self.name:<32}{self.seconds:7.1f} s   {'differs' if faults else 'same'}")
        for fault in faults:
            console.print(f"      {fault}")
        return not faults


class ReproductionHere(Reproduction):
    """``dvc repro`` in this folder with its own cache, as `make repro` runs it: what is there already is not run again."""

    def place(self, folder: Path, commit: str, settings: dict[str, str]) -> tuple[Path, dict[str, str]]:
        folder.mkdir()
        return ROOT, {**os.environ, **settings}

    def ran(self, expected: list[str]) -> bool:
        return set(self.stages_run()) <= set(expected)


def reproductions(commit: str, folder: Path, here: bool) -> list[Reproduction]:
    """One in a clone of its own for each circumstance; with ``here`` two, of which the first is in this folder."""
    variants = circumstances()
    if not here:
        return [Reproduction(name, folder / str(i), commit, more) for i, (name, more) in enumerate(variants.items())]
    two, other = "two threads, hash seed 1234", "another processor"
    return [
        ReproductionHere(f"here, {two}", folder / "here", commit, variants[two]),
        Reproduction(other, folder / "clone", commit, variants[other]),
    ]


def run(reproductions: list[Reproduction], done: Callable[[Reproduction], None]) -> None:
    """Runs all, AT_ONCE at a time, and tells ``done`` of each; none goes on after an error or Ctrl-C."""
    waiting, running = list(reproductions), []
    try:
        with console.status("") as status:
            while waiting or running:
                while waiting and len(running) < AT_ONCE:
                    waiting[0].start()
                    running.append(waiting.pop(0))
                time.sleep(0.1)
                status.update("; ".join(f"{one.name}: {(one.stages_run() or ['start'])[-1]}" for one in running))
                for one in [one for one in running if one.ended()]:
                    running.remove(one)
                    done(one)
    finally:
        for one in running:
            one.stop()


def verify(commit: str, folder: Path, here: bool) -> bool:
    """Whether all circumstances leave what is committed, and a second run leaves it alone."""
    stages = list(yaml.safe_load(git("show", f"{commit}:dvc.yaml"))["stages"])
    runs = reproductions(commit, folder, here)
    caches = [ROOT / ".dvc/cache", *(one.clone / ".dvc/cache" for one in runs)]
    same: list[bool] = []
    run(runs, lambda one: same.append(one.report(stages, caches)))
    if not all(same) and len({(one.clone / "dvc.lock").read_text() for one in runs}) == 1:
        console.print("  The clones agree with each other: the committed dvc.lock is of other code, data or packages.")
    runs[0].name = "a second time, no stage to run"
    run(runs[:1], lambda one: same.append(one.report([], caches)))
    return all(same)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    commit, _, subject = git("log", "-1", "--format=%H %s").strip().partition(" ")
    here = "--here" in sys.argv[1:]
    where = "here and in a fresh clone with an empty cache" if here else "in fresh clones with empty caches"
    console.print(f"Reproducing {commit[:9]} ({subject}) {where}")
    console.print("  another processor: " + "; ".join(f"{name}={value}" for name, value in another_processor().items()))
    if git("status", "--porcelain", "--untracked-files=no"):
        console.print("  warning: tracked files have uncommitted changes, which no clone has: this verifies HEAD.")
    try:
        with tempfile.TemporaryDirectory(prefix="ontime-verify-") as folder:
            return 0 if verify(commit, Path(folder), here) else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

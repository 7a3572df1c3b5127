#!/usr/bin/env python3
"""Checks that what is compiled for one instruction set stays there: an object of it may not define a function that
the linker is free to take for another object's (a weak symbol), or code that any processor runs would get
instructions that it lacks. Objects are found by the names that src/kernels/ gives them.

    tools/instruction_sets.py BUILD_FOLDER

Prints one line a finding; exit status 1 when there is any, or when there are no such objects.
"""
import pathlib
import subprocess
import sys

SETS = ("avx2.cc.o", "avx512.cc.o", "amx.cc.o")


def weak_functions(path):
    """Weak functions that the object defines, as their demangled names; data (V, u) holds no instructions."""
    out = subprocess.run(["nm", "-C", "--defined-only", path], check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        _, kind, name = line.split(" ", 2)
        if kind == "W":
            yield name


def main():
    folder = pathlib.Path(sys.argv[1]) / "src" / "kernels"
    objects = sorted(path for path in folder.rglob("*.o") if path.name in SETS)
    findings = [(path, name) for path in objects for name in weak_functions(path)]
    for path, name in findings:
        print(f"{path.relative_to(folder)}: weak function {name}")
    print(f"{len(objects)} objects checked, {len(findings)} findings")
    return 1 if findings or not objects else 0


sys.exit(main())

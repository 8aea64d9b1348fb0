#!/usr/bin/env python3
"""Measures how long large structures take to compile to a plan, and in how many launches they run.

    cargo build --release --workspace
    python3 benches/structures.py [--rows 2000] [--runs 3]

The time is that of the whole command `danaus compile --emit stats.json`, the best of some runs. The hidden Chow-Liu tree is learnt from random
pictures of 32x32x3 bytes, in which neighbors are alike: one row says how long it takes from data to a plan, the next how long a frozen tree takes.
"""
import argparse
import json
import os
import random
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DANAUS = os.path.join(ROOT, "target/release/danaus")
CHILD = "input categorical width {k}\n sum width {k}\n product hadamard\n"
STRUCTURES = {
    "quad graph, 32 x 32 x 3, 64 units": ("x[32, 32, 3]: categorical(256)", "quad_graph(x)", 64, "mixing"),
    "Poon and Domingos, 28 x 28, delta = 4, 64 units":
        ("x[28, 28]: categorical(256)", "poon_domingos(x, delta = 4)", 64, "mixing"),
    "balanced tree, 3072 variables, 1024 units": ("x[3072]: categorical(32)", "balanced(x)", 1024, ""),
    "hidden Chow-Liu tree, 3072 variables, 1024 units":
        ("x[3072]: categorical(256)", 'chow_liu(x, data = "pictures.npy")', 1024, ""),
}


def program(variables, builder, units, last):
    return f"circuit c {{\n var {variables}\n regions {builder} {{\n {CHILD.format(k=units)} {last}\n }}\n}}\n"


def pictures(path, rows):
    """Each value is about the mean of its neighbors above and to the left, and each channel about that before it."""
    generator = random.Random(1)
    header = str({"descr": "|u1", "fortran_order": False, "shape": (rows, 3072)}).ljust(117) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        for _ in range(rows):
            values = [128] * 3072
            for index in range(3072):
                near = [values[index - step] for step, there in
                        ((96, index >= 96), (3, index % 96 >= 3), (1, index % 3 > 0)) if there]
                mean = sum(near) / len(near) if near else 128
                values[index] = min(255, max(0, round(mean) + generator.randint(-24, 24)))
            file.write(bytes(values))


def run(*arguments):
    start = time.perf_counter()
    done = subprocess.run([DANAUS, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return time.perf_counter() - start, done.stdout


def measure(name, path, count):
    runs = [run("compile", path, "--emit", "stats.json") for _ in range(count)]
    stats = json.loads(runs[0][1])
    print(f"| {name} | {min(seconds for seconds, _ in runs):.2f} | {stats['launches_run']} | {stats['kernels']} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000, help="pictures to learn the tree from")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print("| structure | seconds | launches | kernels |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        pictures(os.path.join(folder, "pictures.npy"), options.rows)
        for name, structure in STRUCTURES.items():
            path = os.path.join(folder, "c.pc")
            with open(path, "w") as file:
                file.write(program(*structure))
            measure(name, path, options.runs)
            if "chow_liu" in structure[1]:
                _, frozen = run("check", "--expand", path)
                with open(path, "w") as file:
                    file.write(frozen)
                measure(f"{name}, frozen", path, options.runs)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Imports published circuits, PSDDs and sum-product networks, and compares their log-likelihoods with the known ones.

    cargo build --release --workspace
    DANAUS_DATA=DIR python3 benches/diagrams.py [NAME..]

`DANAUS_DATA/models/psdd` holds `NAME.psdd.xz` and `expected_ll.json`, which for each diagram names sets of `DANAUS_DATA/debd` with the mean of all
rows and the values of the first ones. `DANAUS_DATA/models/spnc` holds `NAME.json.xz`, `NAME_input.csv.xz` and `NAME_expected_ll.csv.xz`. The float64
reference gives every known value to 1e-6, the kernels, whose weights are rounded to single precision, to 1e-5 relative; else the script fails.
"""
import glob
import json
import lzma
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DANAUS = os.path.join(ROOT, "target", "release", "danaus")


def unpack(source, folder, separator=None):
    """Writes an .xz file unpacked, with commas between fields; gives its path."""
    with lzma.open(source, "rt") as file:
        text = file.read()
    path = os.path.join(folder, os.path.basename(source)[:-3])
    with open(path, "w") as file:
        file.write(text.replace(separator, ",") if separator else text)
    return path


def danaus(*arguments):
    done = subprocess.run([DANAUS, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"danaus {' '.join(arguments)}\n{done.stderr}")
    return done.stdout


def likelihoods(name, rows, *options):
    text = danaus("query", "ll", f"{name}.pc", "--params", f"{name}.safetensors", "--data", rows, "--json", *options)
    return [json.loads(line)["log_likelihood"] for line in text.splitlines()]


def compare(what, found, expected, mean=None):
    """The differences of the first rows, and of the mean of all."""
    mean = sum(expected) / len(expected) if mean is None else mean
    exact, single = found
    worst = max(abs(a - b) for a, b in zip(exact, expected))
    off = abs(sum(exact) / len(exact) - mean)
    rounded = max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(single, expected))
    print(f"| {what} | {len(exact)} | {mean:.6f} | {off:.1e} | {worst:.1e} | {rounded:.1e} |", flush=True)
    return off < 1e-6 and worst < 1e-6 and rounded < 1e-5


def diagrams(data, folder, names):
    with open(os.path.join(data, "models", "psdd", "expected_ll.json")) as file:
        known = json.load(file)
    for name, entry in known.items():
        if names and name not in names:
            continue
        output = os.path.join(folder, name)
        danaus("import", "psdd", unpack(os.path.join(data, "models", "psdd", f"{name}.psdd.xz"), folder), "-o", output)
        for part, expected in entry["sets"].items():
            source = os.path.join(data, "debd", part.split(".")[0], f"{part}.data.xz")
            rows = unpack(source, folder)
            found = likelihoods(output, rows, "--reference"), likelihoods(output, rows)
            yield compare(f"{name} on {part}", found, expected["first_rows"], expected["mean_ll"])


def networks(data, folder, names):
    for source in sorted(glob.glob(os.path.join(data, "models", "spnc", "*.json.xz"))):
        name = os.path.basename(source)[:-len(".json.xz")]
        if names and name not in names:
            continue
        output = os.path.join(folder, f"spn_{name}")
        network = unpack(source, folder)
        with open(network) as file:
            # Densities at whole numbers: the rows are of 0 and 1.
            values = ["--values", "0..2"] if '"gaussian"' in file.read() else []
        danaus("import", "spn", network, "-o", output, *values)
        beside = source[:-len(".json.xz")]
        rows = unpack(f"{beside}_input.csv.xz", folder, ";")
        with lzma.open(f"{beside}_expected_ll.csv.xz", "rt") as file:
            expected = [float(line) for line in file.read().split()]
        yield compare(f"{name} (SPN)", (likelihoods(output, rows, "--reference"), likelihoods(output, rows)), expected)


def main():
    data, names = os.environ["DANAUS_DATA"], sys.argv[1:]
    print("| circuit | rows | mean | mean off by | row off by | in single precision, relative |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        good = [*diagrams(data, folder, names), *networks(data, folder, names)]
    if not good or not all(good):
        raise SystemExit("values differ from the known ones, or there are none")


if __name__ == "__main__":
    main()

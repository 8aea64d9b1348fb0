#!/usr/bin/env python3
"""Trains chains over the variables of binary density-estimation data sets, in their given order, and prints test log-likelihoods
beside those of independent variables.

    cargo build --release -p danaus
    DANAUS_DATA=DIR python3 benches/debd.py [NAME..] [--states 16] [--epochs 60]

`DANAUS_DATA/debd/NAME/NAME.{train,valid,test}.data.xz` hold rows of 0 and 1. Full-batch EM with early stopping on the
validation data; the pseudocount is the same for all sets.
"""
import argparse
import csv
import json
import lzma
import math
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = ["nltcs", "plants", "jester", "dna"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--states", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--pseudocount", default="0.1")
    return parser.parse_args()


def unpack(name, folder):
    paths, rows = {}, {}
    for part in ("train", "valid", "test"):
        source = os.path.join(os.environ["DANAUS_DATA"], "debd", name, f"{name}.{part}.data.xz")
        with lzma.open(source, "rt") as file:
            text = file.read()
        paths[part] = os.path.join(folder, f"{name}.{part}.csv")
        with open(paths[part], "w") as file:
            file.write(text)
        rows[part] = [[int(value) for value in row] for row in csv.reader(text.splitlines())]
    return paths, rows


def independent(rows):
    """Mean test log-likelihood of independent variables, one pseudocount for each value."""
    count, columns = len(rows["train"]), len(rows["train"][0])
    ones = [sum(row[column] for row in rows["train"]) for column in range(columns)]
    probability = [(one + 1) / (count + 2) for one in ones]
    row_value = lambda row: sum(math.log(p if value else 1 - p) for value, p in zip(row, probability))
    return sum(map(row_value, rows["test"])) / len(rows["test"])


def train(paths, columns, args, folder):
    command = [os.path.join(ROOT, "target", "release", "danaus"), "train", os.path.join(ROOT, "examples", "chain.pc")]
    command += ["--set", f"N={columns}", "--set", f"H={args.states}", "--data", paths["train"], "--valid", paths["valid"]]
    command += ["--test", paths["test"], "--optimizer", "em", "--batch", "full", "--epochs", str(args.epochs)]
    command += ["--pseudocount", args.pseudocount, "--patience", "5", "--seed", "1", "--json"]
    command += ["-o", os.path.join(folder, "out.safetensors")]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)


def main():
    args = arguments()
    print("| set | variables | independent | chain | epochs | seconds |")
    print("|---|---|---|---|---|---|")
    for name in args.names:
        with tempfile.TemporaryDirectory() as folder:
            paths, rows = unpack(name, folder)
            columns = len(rows["train"][0])
            found = train(paths, columns, args, folder)
            value = found["test"]["mean_log_likelihood"]
            baseline = independent(rows)
            print(f"| {name} | {columns} | {baseline:.3f} | {value:.3f} | {found['epochs']} | {found['seconds']:.0f} |", flush=True)
            assert value > baseline, f"{name}: the chain is no better than independent variables"


if __name__ == "__main__":
    main()

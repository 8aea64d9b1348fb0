#!/usr/bin/env python3
"""Fits Chow-Liu trees in closed form and compares their test log-likelihoods with known ones.

    cargo build --release -p danaus
    DANAUS_DATA=DIR python3 benches/chow_liu.py [NAME..]

`DANAUS_DATA/debd/NAME/NAME.{train,test}.data.xz` hold rows of 0 and 1, `DANAUS_DATA/binarized_mnist/*{train,test}*.xz` too. The structure
is that of `examples/chow_liu.pc`, written out by `danaus check --expand`; the weights are computed here from counts, with one added to each cell of
a joint table of two variables. The float64 reference gives the known value to 1e-6, the kernels,
whose weights are rounded to single precision, to one part in a million; else the script fails. Needs numpy.
"""
import glob
import json
import lzma
import os
import re
import struct
import subprocess
import sys
import tempfile

import numpy

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DANAUS = os.path.join(ROOT, "target", "release", "danaus")
KNOWN = {
    "nltcs": -6.759045, "plants": -16.524015, "baudio": -44.374902, "jester": -58.226532, "accidents": -33.188110,
    "pumsb_star": -30.807048, "dna": -87.734776, "binarized_mnist": -134.987126,
}


def unpack(name, part, folder):
    """Writes a data set as CSV; gives its path and its rows."""
    data = os.environ["DANAUS_DATA"]
    source = os.path.join(data, "debd", name, f"{name}.{part}.data.xz")
    if name == "binarized_mnist":
        source = glob.glob(os.path.join(data, name, f"*{part}*.xz"))[0]
    with lzma.open(source, "rt") as file:
        text = file.read().replace(" ", ",")
    path = os.path.join(folder, f"{part}.csv")
    with open(path, "w") as file:
        file.write(text)
    flat = numpy.frombuffer(text.encode(), dtype=numpy.uint8)
    flat = flat[(flat == 48) | (flat == 49)] - 48
    return path, flat.reshape(len(text.split()), -1)


def structure(program):
    """For the name of each weight the variables above and below it; above the root there is none."""
    variables, edges = {}, {}
    text = " ".join(re.sub(r"//[^\n]*", "", program).split())
    for item in re.split(r" (?=(?:region|input|root) )", text):
        part = re.match(r"region part\[(\d+)\]", item)
        if not part and not item.startswith("root"):
            continue
        own = int(re.search(r"leaf\[(\d+)\]", item).group(1))
        below = re.findall(r"sum\( ?(leaf|part)\[(\d+)\] ?\)", item) if "*" in item else []
        below = [int(index) if kind == "leaf" else variables[int(index)] for kind, index in below]
        if part:
            variables[int(part.group(1))] = own
            names = [f"part.{part.group(1)}.sum{k + 1}" for k in range(len(below))]
            names = [f"part.{part.group(1)}"] if len(below) == 1 else names
        else:
            names = [f"root.sum{k + 2}" for k in range(len(below))]
            edges["root.sum1" if below else "root"] = (None, own)
        edges.update({name: (own, variable) for name, variable in zip(names, below)})
    return edges


def weights(edges, rows):
    rows = rows.astype(numpy.float64)
    count, ones = len(rows), rows.sum(0)
    tensors = {}
    for name, (above, below) in edges.items():
        if above is None:
            probability = (ones[below] + 2) / (count + 4)
            tensors[name] = numpy.array([[1 - probability, probability]])
            continue
        both = rows[:, above] @ rows[:, below]
        joint = numpy.array([[count - ones[above] - ones[below] + both, ones[below] - both], [ones[above] - both, both]]) + 1
        tensors[name] = joint / joint.sum(1, keepdims=True)
    return tensors


def write(path, tensors):
    header, data = {}, b""
    for name, tensor in sorted(tensors.items()):
        bytes_ = tensor.astype("<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(bytes_)]}
        data += bytes_
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + data)


def main():
    print("| set | variables | known | kernels | reference |\n|---|---|---|---|---|")
    for name in sys.argv[1:] or KNOWN:
        with tempfile.TemporaryDirectory() as folder:
            train, rows = unpack(name, "train", folder)
            test, _ = unpack(name, "test", folder)
            settings = ["--set", f"N={rows.shape[1]}", "--set", f"data={train}"]
            command = [DANAUS, "check", "--expand", os.path.join(ROOT, "examples", "chow_liu.pc")] + settings
            program = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
            frozen, parameters = os.path.join(folder, "tree.pc"), os.path.join(folder, "tree.safetensors")
            with open(frozen, "w") as file:
                file.write(program)
            write(parameters, weights(structure(program), rows))
            command = [DANAUS, "eval", frozen, "--params", parameters, "--data", test, "--json"]
            found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
            single = found["mean_log_likelihood"]
            command = [DANAUS, "query", "ll", frozen, "--params", parameters, "--data", test, "--reference"]
            found = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
            value = float(numpy.mean([float(line.split()[1]) for line in found.splitlines()]))
            print(f"| {name} | {rows.shape[1]} | {KNOWN[name]:.6f} | {single:.6f} | {value:.6f} |", flush=True)
            assert abs(value - KNOWN[name]) < 1e-6, f"{name}: {value} is not {KNOWN[name]}"
            assert abs(single - value) < 1e-6 * abs(value), f"{name}: {single} is not {value}"


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Trains hidden Markov models on text and plots bits per character against training FLOPs: dense and Monarch, and a Monarch
model that starts from the product of two dense ones.

    cargo build --release -p danaus
    python3 benches/text.py --data wiki8 [--characters 10000000] [--folder DIR] [--only NAME..]

The text has 100 million characters in the alphabet of text8: the first 90 million are for training (of them the first
`--characters` are used), the next 5 for validation, the last 5 for testing (of each the first million). All models are
trained by mini-batch EM, step size 1 -> 0 linearly, batches of 256 chunks of 256 characters. The plot needs matplotlib.
Runs that are finished are not repeated, so a table can be made in several sittings.
"""
import argparse
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Name, architecture, settings, epochs.
MODELS = [
    ("dense 64", "hmm.pc", {"H": 64}, 4),
    ("dense 128", "hmm.pc", {"H": 128}, 4),
    ("dense 256", "hmm.pc", {"H": 256}, 4),
    ("dense 512", "hmm.pc", {"H": 512}, 2),
    ("Monarch 16x16", "monarch_hmm.pc", {"A": 16, "B": 16}, 4),
    ("Monarch 32x32", "monarch_hmm.pc", {"A": 32, "B": 32}, 4),
    ("Monarch 64x64", "monarch_hmm.pc", {"A": 64, "B": 64}, 2),
]
# The two factors of the product, each trained like a model, and the product that starts from them.
FACTORS = [("factor 1", "hmm.pc", {"H": 32}, 4, 1), ("factor 2", "hmm.pc", {"H": 32}, 4, 2)]
PRODUCT = ("product 32x32", 4)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="text in the alphabet of text8, 100 million characters")
    parser.add_argument("--characters", type=int, default=10_000_000, help="characters to train on")
    parser.add_argument("--folder", default="text-runs", help="where parameters, metrics and plots go")
    parser.add_argument("--only", nargs="*", help="names of the models to train; all if none are given")
    parser.add_argument("--batch", type=int, default=256)
    return parser.parse_args()


def danaus(*words):
    command = [os.path.join(ROOT, "target", "release", "danaus"), *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def stem(args, name):
    return os.path.join(args.folder, name.lower().replace(" ", "-"))


def settings(sets):
    return [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]


def train(args, name, path, sets, epochs, seed, start=None):
    place = stem(args, name)
    if os.path.exists(f"{place}.json"):
        return
    parts = [f"{args.data}@0..{args.characters}", f"{args.data}@90000000..91000000", f"{args.data}@95000000..96000000"]
    words = ["train", path, *settings(sets), "--text", "text8", "--data", parts[0], "--valid", parts[1], "--test", parts[2]]
    words += ["--optimizer", "em", "--batch", args.batch, "--epochs", epochs, "--schedule", "1.0->0.0", "--json"]
    words += ["--params", start] if start else ["--seed", seed]
    words += ["-o", f"{place}.safetensors", "--metrics", f"{place}.jsonl"]
    report = danaus(*words)
    with open(f"{place}.json", "w") as file:
        file.write(report)


def train_product(args, folder):
    architecture = os.path.join(folder, "product.pc")
    with open(architecture, "w") as file:
        file.write('use "hmm.pc"\n\ncircuit product = hmm(H = 32) * hmm(H = 32) untied\n')
    with open(os.path.join(ROOT, "examples", "hmm.pc")) as source, open(os.path.join(folder, "hmm.pc"), "w") as copy:
        copy.write(source.read())
    start = stem(args, "product start") + ".safetensors"
    factors = [word for name, *_ in FACTORS for word in ("--params", stem(args, name) + ".safetensors")]
    danaus("multiply", architecture, *factors, "-o", start)
    train(args, PRODUCT[0], architecture, {}, PRODUCT[1], 0, start)


def result(args, name):
    with open(stem(args, name) + ".json") as file:
        return json.load(file)


def table(args, names):
    print("| model | test bits per character | training GFLOP | seconds | GFLOP/s |")
    print("|---|---|---|---|---|")
    for name in names:
        found = result(args, name)
        flops, seconds = found["flops"], found["seconds"]
        bits = found["test"]["bits_per_dimension"]
        print(f"| {name} | {bits:.4f} | {flops / 1e9:.0f} | {seconds:.0f} | {flops / seconds / 1e9:.0f} |")


def curve(args, name, spent=0.0):
    points = []
    with open(stem(args, name) + ".jsonl") as file:
        for line in file:
            record = json.loads(line)
            if record.get("valid"):
                points.append((record["flops"] + spent, record["valid"]["bits_per_dimension"]))
    return points


def plot(args, names):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), constrained_layout=True)
    colors = {"dense": plt.get_cmap("Blues"), "Monarch": plt.get_cmap("Oranges")}
    kinds = {kind: [name for name in names if name.startswith(kind)] for kind in colors}
    for kind, members in kinds.items():
        for index, name in enumerate(members):
            points = curve(args, name)
            color = colors[kind](0.4 + 0.6 * (index + 1) / len(members))
            axes.plot(*zip(*points), marker="o", markersize=3, color=color, label=name)
    if PRODUCT[0] in names:
        spent = sum(result(args, name)["flops"] for name, *_ in FACTORS)
        points = curve(args, PRODUCT[0], spent)
        axes.plot(*zip(*points), marker="s", markersize=3, color="tab:green", label="Monarch 32x32 from a product")
    axes.set_xscale("log")
    axes.set_xlabel("training FLOPs (sums, forward and backward)")
    axes.set_ylabel("validation bits per character")
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(frameon=False, fontsize=9)
    for ending in ("svg", "png"):
        figure.savefig(os.path.join(args.folder, f"bits-against-flops.{ending}"), dpi=150)


def main():
    args = arguments()
    os.makedirs(args.folder, exist_ok=True)
    wanted = lambda name: not args.only or name in args.only
    examples = os.path.join(ROOT, "examples")
    for name, path, sets, epochs, seed in [(*model, 1) for model in MODELS] + FACTORS:
        if wanted(name):
            print(name, file=sys.stderr)
            train(args, name, os.path.join(examples, path), sets, epochs, seed)
    if wanted(PRODUCT[0]):
        train_product(args, args.folder)
    done = [name for name, *_ in MODELS + [PRODUCT] if os.path.exists(stem(args, name) + ".json")]
    table(args, done)
    plot(args, done)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Trains circuits over images: MNIST beside published figures, and patches of CIFAR-10, dense against Monarch sums.

    cargo build --release --workspace
    DANAUS_DATA=DIR python3 benches/images.py mnist [--structures quad_graph,hclt] [--units 16,32,64] [--epochs 10] [--polish 3] [--folder DIR]
    DANAUS_DATA=DIR python3 benches/images.py patches [--flops 4e11] [--only NAME..] [--folder DIR]

`DANAUS_DATA/mnist` has idx files, of which those ending in xz or gz are unpacked; the first 55000 images are for training, the next 5000 for
validation. `DANAUS_DATA/cifar10/{train,test}_*.webp` are sheets of 1000 images of 32x32 pixels. Four random patches of 8x8 are taken of each
training image, in lossless YCoCg, and as many of 200 training images that are left out, for validation, and of the first 2000 test images. All models of patches get the same training FLOPs; their structure is a quad graph. Mini-batch EM; those of MNIST are trained
in two stages, the second of which averages parameters in small steps. The parameters that are best on the validation data are tested. The plot needs matplotlib. Runs that are finished are not repeated.
"""
import argparse
import glob
import gzip
import json
import lzma
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DANAUS = os.path.join(ROOT, "target", "release", "danaus")
# Test bits per dimension of published circuits.
PUBLISHED = {("quad_graph", 16): 1.249, ("quad_graph", 32): 1.213, ("quad_graph", 64): 1.190, ("hclt", 32): 1.201}
MNIST = {
    "quad_graph": "circuit mnist(K = 16) {\n    var p[28, 28]: categorical(256)\n    regions quad_graph(p) "
                  "{ input categorical width K   sum width K   product hadamard   mixing }\n}\n",
    "hclt": 'circuit mnist(K = 16, data = "train") {\n    var p[28, 28]: categorical(256)\n    regions chow_liu(p, data = data, rows = 20000) '
            "{ input categorical width K   sum width K }\n}\n",
}
PATCHES = """circuit patches(K = 16) {{
    var y[8, 8]: categorical(256)   var co[8, 8]: categorical(511)   var cg[8, 8]: categorical(511)
    regions quad_graph(y, co, cg) {{ input categorical width K tie by channel   sum width K {kind}   product hadamard   mixing }}
}}
"""
# Patches of each image.
PER_IMAGE = 4
# Name, units, kind of the sums.
MODELS = [
    ("dense 16", 16, "dense"), ("dense 32", 32, "dense"), ("dense 64", 64, "dense"),
    ("Monarch 8x8", 64, "monarch(8, 8)"), ("Monarch 16x16", 256, "monarch(16, 16)"),
]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["mnist", "patches"])
    parser.add_argument("--structures", type=lambda text: text.split(","), default=["quad_graph", "hclt"])
    parser.add_argument("--units", type=lambda text: [int(units) for units in text.split(",")], default=[16, 32, 64])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--schedule", help="of mini-batch EM; mnist 0.25->0.005, patches 0.3->0.01 if it is not given")
    parser.add_argument("--pseudocount", help="of mini-batch EM; mnist 0.1, patches 0.01 if it is not given")
    parser.add_argument("--polish", type=int, default=3, help="epochs of the second stage of mnist")
    parser.add_argument("--flops", type=float, default=4e11, help="training FLOPs of each model of patches")
    parser.add_argument("--only", nargs="*", help="names of the models of patches to train; all if none are given")
    parser.add_argument("--folder", default="image-runs", help="where data, parameters, metrics and plots go")
    args = parser.parse_args()
    usual = {"mnist": ("0.25->0.005", "0.1"), "patches": ("0.3->0.01", "0.01")}[args.what]
    args.schedule, args.pseudocount = args.schedule or usual[0], args.pseudocount or usual[1]
    return args


def danaus(*words):
    return subprocess.run([DANAUS, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True).stdout


# The second stage of MNIST: from the parameters of the first on, in small steps.
POLISH = ["--optimizer", "em-average", "--batch", 512, "--schedule", "0.05->0.002", "--pseudocount", "0.01", "--seed", 2]


def train(args, name, program, sets, data, epochs, *more, settings=None):
    """Trains a model, once; gives the report."""
    place = os.path.join(args.folder, name.lower().replace(" ", "-"))
    if not os.path.exists(f"{place}.json"):
        print(name, file=sys.stderr)
        with open(f"{place}.pc", "w") as file:
            file.write(program)
        words = ["train", f"{place}.pc", *[word for key, value in sets.items() for word in ("--set", f"{key}={value}")], *data]
        em = ["--optimizer", "em", "--batch", args.batch, "--schedule", args.schedule, "--pseudocount", args.pseudocount, "--seed", 1]
        words += [*(settings or em), "--epochs", epochs]
        words += ["--json", "--metrics", f"{place}.jsonl", "-o", f"{place}.safetensors", *more]
        report = danaus(*words)
        with open(f"{place}.json", "w") as file:
            file.write(report)
    with open(f"{place}.json") as file:
        return json.load(file)


def unpack(pattern, folder):
    """An idx file, unpacked."""
    source = glob.glob(os.path.join(os.environ["DANAUS_DATA"], "mnist", pattern))[0]
    place = os.path.join(folder, os.path.basename(source).split(".")[0])
    if not os.path.exists(place):
        opener = {".xz": lzma.open, ".gz": gzip.open}.get(os.path.splitext(source)[1], open)
        with opener(source, "rb") as packed, open(place, "wb") as file:
            file.write(packed.read())
    return os.path.abspath(place)


def mnist(args):
    rows, test = unpack("train-images-*", args.folder), unpack("t10k-images-*", args.folder)
    data = ["--data", f"{rows}@..55000", "--valid", f"{rows}@55000..", "--test", test]
    print("| structure | units | published | bits per dimension | difference | epochs | training GFLOP | seconds |\n|---|---|---|---|---|---|---|---|")
    for structure in args.structures:
        for units in args.units:
            sets = {"K": units, **({"data": rows} if structure == "hclt" else {})}
            name = f"mnist {structure} {units}"
            found = train(args, name, MNIST[structure], sets, data, args.epochs)
            if args.polish:
                first = os.path.join(args.folder, f"{name.replace(' ', '-')}.safetensors")
                polished = train(args, f"{name} polished", MNIST[structure], sets, data, args.polish, "--params", first, settings=POLISH)
                found = {**polished, **{key: found[key] + polished[key] for key in ("epochs", "flops", "seconds")}}
            bits, known = found["test"]["bits_per_dimension"], PUBLISHED.get((structure, units))
            beside = ("", "") if known is None else (f"{known:.3f}", f"{bits - known:+.3f}")
            print(f"| {structure} | {units} | {beside[0]} | {bits:.3f} | {beside[1]} | {found['epochs']} | {found['flops'] / 1e9:.0f} | "
                  f"{found['seconds']:.0f} |", flush=True)


def patches(args):
    sheets = lambda part: sorted(glob.glob(os.path.join(os.environ["DANAUS_DATA"], "cifar10", f"{part}_*.webp")))
    *first, last = sheets("train")
    rows = PER_IMAGE * (1000 * len(first) + 800)
    data = ["--data", *first, f"{last}@..800", "--valid", f"{last}@800..", "--test", *sheets("test")[:2]]
    data += ["--images", "ycocg-r", "--tile", "32x32", "--patches", f"random:{PER_IMAGE}"]
    print("| sums | units | parameters | test bits per dimension | epochs | training GFLOP | seconds |\n|---|---|---|---|---|---|---|")
    done = []
    for name, units, kind in MODELS:
        if args.only and name not in args.only:
            continue
        program, place = PATCHES.format(kind=kind), os.path.join(args.folder, "inspected.pc")
        with open(place, "w") as file:
            file.write(program)
        stats = json.loads(danaus("compile", place, "--set", f"K={units}", "--emit", "stats.json"))
        epochs = max(1, round(args.flops / (3 * stats["per_sample"]["flops"] * rows)))
        updates = max(1, epochs * rows // args.batch // 12)
        found = train(args, f"patches {name}", program, {"K": units}, data, epochs, "--evaluate", f"{updates}u")
        done.append(name)
        print(f"| {name} | {units} | {stats['parameter_values']} | {found['test']['bits_per_dimension']:.4f} | {found['epochs']} | "
              f"{found['flops'] / 1e9:.0f} | {found['seconds']:.0f} |", flush=True)
    plot(args, done)


def plot(args, names):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), constrained_layout=True)
    colors = {"dense": plt.get_cmap("Blues"), "Monarch": plt.get_cmap("Oranges")}
    for kind, map_of in colors.items():
        members = [name for name in names if name.startswith(kind)]
        for index, name in enumerate(members):
            place = os.path.join(args.folder, f"patches {name}".lower().replace(" ", "-"))
            with open(f"{place}.jsonl") as file:
                records = [record for record in map(json.loads, file) if record.get("valid")]
            points = [(record["flops"], record["valid"]["bits_per_dimension"]) for record in records]
            axes.plot(*zip(*points), marker="o", markersize=3, color=map_of(0.4 + 0.6 * (index + 1) / len(members)), label=name)
    axes.set_xscale("log")
    axes.set_xlabel("training FLOPs (sums, forward and backward)")
    axes.set_ylabel("validation bits per dimension")
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(frameon=False, fontsize=9)
    for ending in ("svg", "png"):
        figure.savefig(os.path.join(args.folder, f"patches-against-flops.{ending}"), dpi=150)


def main():
    args = arguments()
    os.makedirs(args.folder, exist_ok=True)
    {"mnist": mnist, "patches": patches}[args.what](args)


if __name__ == "__main__":
    main()

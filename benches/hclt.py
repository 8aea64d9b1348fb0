#!/usr/bin/env python3
"""Trains hidden Chow-Liu trees on binary density-estimation data sets and prints test log-likelihoods beside published ones.

    cargo build --release -p danaus
    DANAUS_DATA=DIR python3 benches/hclt.py [NAME..] [--states 8,16,32] [--pseudocounts 0.1,1,4] [--epochs 60]

`DANAUS_DATA/debd/NAME/NAME.{train,valid,test}.data.xz` hold rows of 0 and 1. The structure is that of `examples/hclt.pc`, learnt from the training
rows and written out by `danaus check --expand`. Every number of states is trained with every pseudocount; the run with the best validation
log-likelihood is the one whose test log-likelihood is printed. Mini-batch EM with early stopping on the validation data.
"""
import argparse
import json
import lzma
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DANAUS = os.path.join(ROOT, "target", "release", "danaus")
# The best published circuits (hidden Chow-Liu trees with regularization, mean of five runs), where there are any.
PUBLISHED = {
    "nltcs": -5.999, "plants": -14.265, "baudio": -39.768, "jester": -52.376, "accidents": -26.736, "pumsb_star": -23.650,
    "dna": -79.051, "mushrooms": None, "ocr_letters": None, "caltech101": None,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: text.split(",")
    parser.add_argument("names", nargs="*", default=list(PUBLISHED))
    parser.add_argument("--states", type=numbers, default=["8", "16", "32"])
    parser.add_argument("--pseudocounts", type=numbers, default=["0.1", "1", "4"])
    parser.add_argument("--epochs", default="60")
    parser.add_argument("--batch", default="256")
    return parser.parse_args()


def unpack(name, folder):
    paths = {}
    for part in ("train", "valid", "test"):
        source = os.path.join(os.environ["DANAUS_DATA"], "debd", name, f"{name}.{part}.data.xz")
        with lzma.open(source, "rt") as file:
            text = file.read()
        paths[part] = os.path.join(folder, f"{part}.csv")
        with open(paths[part], "w") as file:
            file.write(text)
        columns = text.split("\n", 1)[0].count(",") + 1
    return paths, columns


def run(command):
    return subprocess.run([DANAUS] + command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def train(program, paths, states, pseudocount, args):
    command = ["train", program, "--set", f"K={states}", "--data", paths["train"], "--valid", paths["valid"], "--test", paths["test"]]
    command += ["--optimizer", "em", "--batch", args.batch, "--epochs", args.epochs, "--schedule", "1.0->0.0", "--pseudocount", pseudocount]
    command += ["--patience", "10", "--seed", "1", "--json", "-o", os.path.join(os.path.dirname(program), "out.safetensors")]
    return json.loads(run(command))


def main():
    args = arguments()
    print("| set | variables | published | hidden Chow-Liu tree | worse by | states | pseudocount | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for name in args.names:
        with tempfile.TemporaryDirectory() as folder:
            paths, columns = unpack(name, folder)
            program = os.path.join(folder, "hclt.pc")
            source = os.path.join(ROOT, "examples", "hclt.pc")
            with open(program, "w") as file:
                file.write(run(["check", "--expand", source, "--set", f"N={columns}", "--set", f"data={paths['train']}"]))
            runs = [(train(program, paths, states, c, args), states, c) for states in args.states for c in args.pseudocounts]
            seconds = sum(found["seconds"] for found, _, _ in runs)
            best, states, pseudocount = max(runs, key=lambda found: found[0]["valid"]["mean_log_likelihood"])
            value, known = best["test"]["mean_log_likelihood"], PUBLISHED[name]
            published, distance = ("", "") if known is None else (f"{known:.3f}", f"{100 * (known - value) / -known:+.2f} %")
            print(f"| {name} | {columns} | {published} | {value:.3f} | {distance} | {states} | {pseudocount} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()

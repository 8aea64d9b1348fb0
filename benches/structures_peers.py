#!/usr/bin/env python3
"""Measures circuits over images beside cirkit, in one run: the same structures, widths and batch.

    cargo build --release --workspace
    python3 benches/structures_peers.py [--case quad_graph:28:32] [--rounds 3] [--threads 2] [--python PYTHON] [--json FILE]

`PYTHON` is one that has numpy, torch and cirkit: `pip install torch numpy 'libcirkit==0.2.1' 'scipy~=1.14.0'`. (libcirkit 0.3.1 cuts all
logarithms off at -708, so its likelihoods of large circuits are wrong.) A case is a region graph, `quad_graph` or `quad_tree` (with two
splits), the side of the image, and the units of every input and sum; sums are dense and stand before the product (CP), pixels have 256 values.

What is compared, on random pixels and parameters:
  compile   from the description to a compiled circuit: the command `danaus compile`; a symbolic circuit and its `compile`
  ready     the same and a first batch: ours are kernels made of the compiled circuit
  forward   log-likelihoods of a batch: `danaus bench`; a call without gradients
  step      a step of training on a batch: an update of `danaus train` (EM), reading the rows included; forward, backward and Adam's step
  memory    the most that the process that trains has had resident; that of Python with torch imported alone is said

The programs take turns, `rounds` times; medians are reported. Both must have the same number of parameters. For numbers worth keeping the
machine must be idle otherwise.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DANAUS = os.path.join(ROOT, "target", "release", "danaus")
BUILDERS = {"quad_graph": ("quad_graph(p)", "quad-graph"), "quad_tree": ("quad_tree(p, splits = 2)", "quad-tree-2")}
PROGRAM = """circuit image {{
    var p[{side}, {side}]: categorical(256)
    regions {builder} {{ input categorical width {units}   sum width {units}   product hadamard   mixing }}
}}
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help="GRAPH:SIDE:UNITS")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=7, help="runs of each program in each round")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", help="where to write all numbers")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def median_time(run, runs):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def worker(args):
    """Runs in the other Python; prints one JSON object."""
    import resource
    import torch
    torch.set_num_threads(args.threads)
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    imported = peak()
    from cirkit.pipeline import PipelineContext
    from cirkit.templates import data_modalities
    from cirkit.templates.utils import Parameterization
    graph, side, units = args.case[0].split(":")
    side, units = int(side), int(units)
    torch.manual_seed(0)
    observed = torch.randint(0, 256, (args.batch, side * side))
    start = time.perf_counter()
    symbolic = data_modalities.image_data(
        (1, side, side), region_graph=BUILDERS[graph][1], input_layer="categorical", num_input_units=units, sum_product_layer="cp",
        num_sum_units=units, sum_weight_param=Parameterization(activation="softmax", initialization="normal"))
    circuit = PipelineContext(backend="torch", semiring="lse-sum", fold=True, optimize=True).compile(symbolic)
    compiled = time.perf_counter() - start

    def forward():
        with torch.no_grad():
            return circuit(observed)

    optimizer = torch.optim.Adam(circuit.parameters(), lr=0.01)

    def step():
        optimizer.zero_grad()
        (-circuit(observed).mean()).backward()
        optimizer.step()

    forward()
    ready = time.perf_counter() - start
    seconds = median_time(forward, args.runs)
    step()
    found = {"compile": compiled, "ready": ready, "forward": seconds, "step": median_time(step, args.runs), "memory": peak(), "imported": imported}
    found["parameters"] = sum(parameter.numel() for parameter in circuit.parameters())
    print(json.dumps(found))


def run(command, threads):
    """What a command prints, its seconds, and the most megabytes it had."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), RAYON_NUM_THREADS=str(threads))
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        out.seek(0)
        errors.seek(0)
        if status != 0:
            raise SystemExit(f"{' '.join(command)}\n{errors.read().decode()}")
        return out.read().decode(), seconds, usage.ru_maxrss / 1024


def write_pixels(path, rows, side):
    """An idx file of random bytes."""
    with open(path, "wb") as file:
        file.write(b"\0\0\x08\x03" + b"".join(extent.to_bytes(4, "big") for extent in (rows, side, side)))
        file.write(os.urandom(rows * side * side))


def ours(case, args, folder):
    graph, side, units = case.split(":")
    program, compiled = os.path.join(folder, "image.pc"), os.path.join(folder, "image.pcb")
    with open(program, "w") as file:
        file.write(PROGRAM.format(side=side, units=units, builder=BUILDERS[graph][0]))
    _, seconds, _ = run([DANAUS, "compile", program, "--queries", "ll,train", "-o", compiled], args.threads)
    stats = json.loads(run([DANAUS, "compile", program, "--emit", "stats.json"], args.threads)[0])
    bench = json.loads(run([DANAUS, "bench", compiled, "--batch", str(args.batch), "--repeat", str(args.runs), "--json"], args.threads)[0])
    pixels, metrics = os.path.join(folder, "pixels.idx"), os.path.join(folder, "metrics.jsonl")
    write_pixels(pixels, args.batch * (args.runs + 1), int(side))
    command = [DANAUS, "train", compiled, "--data", pixels, "--batch", str(args.batch), "--epochs", "1", "--optimizer", "em", "--pseudocount", "0.01"]
    _, _, memory = run([*command, "--metrics", metrics, "-o", os.path.join(folder, "o.safetensors")], args.threads)
    with open(metrics) as file:
        ends = [record["seconds"] for record in map(json.loads, file) if record["event"] == "update"]
    steps = [later - earlier for earlier, later in zip(ends, ends[1:])]
    ready = seconds + bench["seconds_first"] - bench["seconds"]
    return {"compile": seconds, "ready": ready, "forward": bench["seconds"], "step": statistics.median(steps), "memory": memory,
            "parameters": stats["parameter_values"]}


def theirs(case, args):
    command = [args.python, os.path.abspath(__file__), "--worker", "--case", case, "--batch", str(args.batch)]
    return json.loads(run([*command, "--runs", str(args.runs), "--threads", str(args.threads)], args.threads)[0])


def main():
    args = arguments()
    if args.worker:
        return worker(args)
    cases = args.case or ["quad_graph:28:32", "quad_graph:28:64", "quad_tree:28:64"]
    print("| case | program | parameters | compile s | ready s | forward ms | step ms | memory MB |\n|---|---|---|---|---|---|---|---|")
    numbers = {}
    for case in cases:
        found = {"danaus": [], "cirkit": []}
        for _ in range(args.rounds):
            with tempfile.TemporaryDirectory() as folder:
                found["danaus"].append(ours(case, args, folder))
            found["cirkit"].append(theirs(case, args))
        median = {name: {key: statistics.median(one[key] for one in all) for key in all[0]} for name, all in found.items()}
        numbers[case] = median
        for name, one in median.items():
            print(f"| {case} | {name} | {one['parameters']:.0f} | {one['compile']:.2f} | {one['ready']:.2f} | {1e3 * one['forward']:.1f} | "
                  f"{1e3 * one['step']:.1f} | {one['memory']:.0f} |")
        us, them = median["danaus"], median["cirkit"]
        ratio = lambda key: them[key] / us[key]
        print(f"| {case} | ratio | | {ratio('compile'):.1f} | {ratio('ready'):.1f} | {ratio('forward'):.1f} | {ratio('step'):.1f} | {ratio('memory'):.1f} |", flush=True)
        print(f"  (Python with torch alone: {them['imported']:.0f} MB)", file=sys.stderr)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(numbers, file, indent=1)


if __name__ == "__main__":
    main()

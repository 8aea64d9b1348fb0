#!/usr/bin/env python3
"""Measures the likelihood of hidden Markov models beside other programs, in one run, on equal parameters and data.

    cargo build --release -p danaus-benches
    python3 benches/peers.py [--train] [--case 1024] [--case 128x128] [--rounds 3] [--threads 2] [--json FILE]

Needs numpy and torch. What is compared:
  danaus   target/release/forward, in log space with rescaling
  torch    the same chain as a plain PyTorch loop in linear space, normalised at every step (no library would be faster)
  paper    the public code of "Scaling Probabilistic Circuits via Monarch Matrices", if the environment variable
           MONARCH_CIRCUITS names a checkout of it

With --train a step of training is measured, forward, backward and update: ours by target/release/train, which draws its own
numbers, beside the paper's public code. Operations then count three times.

The programs take turns, `rounds` times, so that a change of the machine's load meets all of them; the median of the
rounds is reported. Mean log-likelihoods must agree to 1e-5, or the run fails. For numbers worth keeping the machine must
be idle otherwise.
"""
import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help="H (dense) or AxB (Monarch); default 1024, 64x64, 128x128")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--values", type=int, default=27)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=7, help="runs of each program in each round")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--train", action="store_true", help="a step of training instead of the likelihood")
    parser.add_argument("--json", help="where to write all numbers")
    parser.add_argument("--worker", choices=["torch", "paper"], help=argparse.SUPPRESS)
    parser.add_argument("--numbers", help=argparse.SUPPRESS)
    return parser.parse_args()


def factors_of(case):
    return [int(part) for part in case.split("x")] if "x" in case else []


def make_numbers(case, args):
    """Rows uniform on the simplex from numpy's PCG64; float64."""
    import numpy as np

    def rows(rng, *shape):
        x = rng.standard_exponential(shape)
        return x / x.sum(-1, keepdims=True)

    factors = factors_of(case)
    rng = np.random.default_rng(0)
    states = int(case) if not factors else factors[0] * factors[1]
    initial = rows(rng, states)
    numbers = {"initial": initial[None], "emission": rows(rng, states, args.values)}
    if factors:
        rng = np.random.default_rng(2)
        for k, b in enumerate(factors):
            numbers[f"transition.{k + 1}"] = rows(rng, states // b, b, b)
    else:
        numbers["transition"] = rows(rng, states, states)
    numbers["observed"] = np.random.default_rng(1).integers(0, args.values, size=(args.batch, args.length))
    return numbers


def write_safetensors(path, tensors):
    header, data = {}, []
    offset = 0
    for name, tensor in tensors.items():
        raw = tensor.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data.append(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data))


def prepare(case, args, folder):
    import numpy as np

    numbers = make_numbers(case, args)
    np.savez(os.path.join(folder, "numbers.npz"), **numbers)
    tensors = {name: value for name, value in numbers.items() if name != "observed"}
    tensors["emission"] = np.log(tensors["emission"])
    write_safetensors(os.path.join(folder, "parameters.safetensors"), tensors)
    numbers["observed"].T.astype("<u4").tofile(os.path.join(folder, "evidence.u32"))


def operations(case, args):
    factors = factors_of(case)
    states = int(case) if not factors else factors[0] * factors[1]
    return 2.0 * states * (sum(factors) or states) * (args.length - 1) * args.batch


def run_danaus_train(case, args, folder):
    command = [os.path.join(ROOT, "target", "release", "train"), "--json", "--case", case]
    command += ["--batch", str(args.batch), "--length", str(args.length), "--runs", str(args.runs), "--seconds", "20"]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {"median_s": found["step_s"], "best_s": found["step_best_s"], "forward_s": found["forward_s"], "noisy": found["noisy"]}


def run_danaus(case, args, folder):
    command = [os.path.join(ROOT, "target", "release", "forward"), "--json", "--case", case]
    command += ["--batch", str(args.batch), "--length", str(args.length), "--runs", str(args.runs)]
    command += ["--parameters", os.path.join(folder, "parameters.safetensors")]
    command += ["--evidence", os.path.join(folder, "evidence.u32"), "--seconds", "20"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def run_worker(name, case, args, folder):
    command = [sys.executable, os.path.abspath(__file__), "--worker", name, "--case", case, "--numbers", folder]
    for option in ("batch", "length", "values", "runs", "threads"):
        command += [f"--{option}", str(getattr(args, option))]
    command += ["--train"] if args.train else []
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])


def time_runs(run, runs):
    result = run()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    mean = float(result.double().mean())
    print(json.dumps({"median_s": statistics.median(seconds), "best_s": min(seconds), "mean_ll": mean}))


def worker_torch(case, numbers, args):
    import torch

    tensor = lambda name: torch.tensor(numbers[name], dtype=torch.float32)
    factors = factors_of(case)
    initial, emission = tensor("initial"), tensor("emission").t().contiguous()
    weights = [tensor(f"transition.{k + 1}") for k in range(len(factors))] or [tensor("transition")]
    observed = torch.tensor(numbers["observed"])

    def step(y):
        if not factors:
            return weights[0] @ y
        for w in reversed(weights):
            y = torch.bmm(w, y.reshape(w.shape[0], w.shape[2], -1)).transpose(0, 1).reshape(y.shape)
        return y

    def run():
        with torch.no_grad():
            y, total = torch.ones(initial.shape[1], args.batch), torch.zeros(args.batch)
            for t in range(args.length - 1, -1, -1):
                if t != args.length - 1:
                    y = step(y)
                y = y * emission[observed[:, t]].t()
                scale = y.sum(0)
                y, total = y / scale, total + torch.log(scale)
            return total + torch.log(initial @ y)[0]

    time_runs(run, args.runs)


def worker_paper(case, numbers, args):
    import types

    import numpy as np
    import torch

    # The module wants this only to upload and download models.
    hub = types.ModuleType("huggingface_hub")
    hub.PyTorchModelHubMixin = type("PyTorchModelHubMixin", (), {})
    sys.modules.setdefault("huggingface_hub", hub)
    sys.path.insert(0, os.path.join(os.environ["MONARCH_CIRCUITS"], "monarch_hmm"))
    import hmm

    factors, states = factors_of(case), numbers["initial"].shape[1]
    if factors:
        model = hmm.MonarchHMM(states, tuple(factors), args.values, 0)
        for k, parameter in enumerate(model.alpha_exp.weights_exp):
            parameter.data.copy_(torch.tensor(numbers[f"transition.{k + 1}"]))
    else:
        model = hmm.HMM(states, args.values, 0)
        model.alpha_exp.data.copy_(torch.tensor(numbers["transition"]))
    model.beta.data.copy_(torch.tensor(np.log(numbers["emission"])))
    model.gamma_exp.data.copy_(torch.tensor(numbers["initial"]))
    observed = torch.tensor(numbers["observed"])
    # One process has nobody to add its flows to.
    torch.distributed.all_reduce = lambda *rest, **named: None

    def run():
        if args.train:
            model.zero_grad()
            found = model(observed)
            found.sum().backward()
            model.step(lr=1.0)
            return found.detach()
        with torch.no_grad():
            return model(observed)

    time_runs(run, args.runs)


def work(args):
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(args.threads)
    import numpy as np
    import torch

    torch.set_num_threads(args.threads)
    numbers = np.load(os.path.join(args.numbers, "numbers.npz"))
    {"torch": worker_torch, "paper": worker_paper}[args.worker](args.case[0], numbers, args)


def compare(case, args):
    programs = ["danaus"] + ([] if args.train else ["torch"]) + (["paper"] if os.environ.get("MONARCH_CIRCUITS") else [])
    rounds = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        prepare(case, args, folder)
        for _ in range(args.rounds):
            for name in programs:
                ours = run_danaus_train if args.train else run_danaus
                run = ours if name == "danaus" else lambda *rest, name=name: run_worker(name, *rest)
                rounds[name].append(run(case, args, folder))
    work_done = operations(case, args) * (3 if args.train else 1)
    ours = statistics.median(entry["median_s"] for entry in rounds["danaus"])
    reference = rounds["danaus"][0].get("mean_ll")
    print(f"\n{case}: {args.length} positions, batch {args.batch}, {args.threads} threads")
    print("program      median ms    best ms    GFLOP/s   times ours   mean log-likelihood")
    for name, entries in rounds.items():
        median = statistics.median(entry["median_s"] for entry in entries)
        best = min(entry["best_s"] for entry in entries)
        mean = entries[0].get("mean_ll", float("nan"))
        noise = "   (machine in use)" if any(entry.get("noisy") for entry in entries) else ""
        numbers = f"{median * 1e3:>10.1f} {best * 1e3:>10.1f} {work_done / median / 1e9:>10.1f} {median / ours:>12.2f}"
        print(f"{name:<10} {numbers} {mean:>21.6f}{noise}")
        if reference is not None and abs(mean - reference) > 1e-5 * abs(reference):
            sys.exit(f"{name} disagrees on {case}: {mean} against {reference}")
    return {"case": case, "rounds": rounds, "load": os.getloadavg()[0]}


def main():
    args = arguments()
    if args.worker:
        work(args)
        return
    results = [compare(case, args) for case in args.case or ["1024", "64x64", "128x128"]]
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"arguments": vars(args), "results": results}, file, indent=1)


if __name__ == "__main__":
    main()

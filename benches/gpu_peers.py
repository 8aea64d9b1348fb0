#!/usr/bin/env python3
"""The same hidden Markov models as a plain PyTorch loop on a GPU, and what the GPU can do at most: products of matrices in single
precision (without and with TF32) and in bf16, and copies of memory.

    python3 benches/gpu_peers.py

The loop is in linear space, normalized at every step; single precision without TF32, as the kernels compute. Times are medians of 20 runs,
between events on the GPU, after 3 that are not counted.
"""
import statistics

import torch

LENGTH = 256


def median_ms(work, runs=20):
    times = []
    for run in range(runs + 3):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        if run >= 3:
            times.append(begin.elapsed_time(end))
    return statistics.median(times)


def ceilings():
    size = 8192
    for name, kind, tf32 in [("f32", torch.float32, False), ("tf32", torch.float32, True), ("bf16", torch.bfloat16, False)]:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = (torch.randn(size, size, device="cuda", dtype=kind) for _ in range(2))
        print(f"matmul {name:5} {2 * size**3 / median_ms(lambda: a @ b) / 1e9:8.1f} TFLOP/s")
    torch.backends.cuda.matmul.allow_tf32 = False
    source = torch.empty(1 << 30, device="cuda", dtype=torch.uint8)
    target = torch.empty_like(source)
    print(f"copy         {2 * (1 << 30) / median_ms(lambda: target.copy_(source)) / 1e9:8.2f} TB/s")


def rows(*shape):
    weights = torch.empty(shape, device="cuda").exponential_()
    return weights / weights.sum(-1, keepdim=True)


def dense(states):
    weight = rows(states, states)
    return lambda values: weight @ values


def monarch(first, second):
    states = first * second
    one, two = rows(states // first, first, first), rows(states // second, second, second)

    def step(values):
        for weight, size in ((two, second), (one, first)):
            values = torch.bmm(weight, values.view(states // size, size, -1))
            values = values.transpose(0, 1).reshape(states, -1)
        return values

    return step


def forward(step, emission, observed):
    values = emission[:, observed[-1]]
    log = torch.zeros(values.shape[1], device="cuda", dtype=torch.float64)
    for position in range(LENGTH - 2, -1, -1):
        values = step(values) * emission[:, observed[position]]
        scale = values.sum(0)
        log += scale.double().log()
        values = values / scale
    return log


def main():
    print(torch.cuda.get_device_name())
    ceilings()
    print("model           batch   ms (median) of the plain PyTorch loop   TFLOP/s")
    for name, states, operations, step in [
        ("dense-1024", 1024, 2 * 1024**2, lambda: dense(1024)),
        ("monarch-4096", 4096, 2 * 4096 * 128, lambda: monarch(64, 64)),
        ("monarch-16384", 16384, 2 * 16384 * 256, lambda: monarch(128, 128)),
        ("monarch-65536", 65536, 2 * 65536 * 512, lambda: monarch(256, 256)),
        ("monarch-262144", 262144, 2 * 262144 * 1024, lambda: monarch(512, 512)),
    ]:
        transition, emission = step(), rows(states, 27)
        for batch in (64, 256, 1024):
            observed = torch.randint(27, (LENGTH, batch), device="cuda")
            time = median_ms(lambda: forward(transition, emission, observed))
            print(f"{name:15} {batch:5}   {time:8.3f} {operations * 255 * batch / time / 1e9:8.2f}")


if __name__ == "__main__":
    main()

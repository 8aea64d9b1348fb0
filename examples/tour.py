"""A tour of the Python package, cell by cell: a hidden Markov model learns to write.

    danaus compile examples/hmm.pc --set T=32 --set H=64 -o hmm.pcb
    python examples/tour.py hmm.pcb TEXT
"""

import sys

import numpy as np

import danaus

# %% A compiled circuit, with random parameters to start from.
model = danaus.Model.load(sys.argv[1]).with_random_parameters(seed=1)
print(model, model.variables)

# %% Text as rows of values: 0 is a space, 1 to 26 are the letters.
text = " ".join("".join(c if "a" <= c <= "z" else " " for c in open(sys.argv[2]).read().lower()).split())
values = np.array([0 if c == " " else ord(c) - 96 for c in text])
length = model.variables[0].shape[0]
rows = values[: len(values) // length * length].reshape(-1, length)
held_out, rows = rows[::5], np.delete(rows, np.s_[::5], axis=0)


def bits(likelihoods):
    return -likelihoods.mean() / length / np.log(2)


def written(sample):
    return "".join(" " if value == 0 else chr(value + 96) for value in sample)


# %% Training: bits per character before and after.
print(f"before {bits(model.log_likelihood(held_out)):.3f} bits per character")
print(model.train(rows, held_out, batch=64, epochs=15, schedule="1.0->0.1", seed=1))
print(f"after  {bits(model.log_likelihood(held_out)):.3f} bits per character")

# %% What it writes now.
for sample in model.sample(5, seed=3):
    print(repr(written(sample)))

# %% A row with a hole: how probable is each letter in it, and what does it draw?
torn = held_out[:1].copy()
torn[0, 10:14] = -1
best = model.marginals(torn).probabilities[0, 10].argsort()[::-1][:3]
print("the first lost letter may be", [written([value]) for value in best])
for sample in model.sample(3, evidence=torn, seed=4)[0]:
    print(repr(written(sample)))

# %% The distribution of the next letter after each prefix of a row, in one walk.
surprise = -np.log2(np.take_along_axis(model.next(held_out[:1]).probabilities[0], held_out[0][:, None], 1))[:, 0]
print("most surprising:", repr(written(held_out[0][: surprise.argmax()])), "then", repr(written(held_out[0][[surprise.argmax()]])))

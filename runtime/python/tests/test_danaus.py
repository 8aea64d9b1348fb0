"""Tests of the built package: ``./dev python`` builds the wheel, installs it in a fresh environment and runs them.

The compiled circuit is that of ``examples/weather.pc``, whose numbers can be checked by pencil; its path is ``$DANAUS_WEATHER``. A hidden
Markov model over text is ``$DANAUS_HMM``.
"""

import math
import os
import threading
import time
import unittest

import numpy as np

import danaus

WEATHER = os.environ["DANAUS_WEATHER"]
HMM = os.environ["DANAUS_HMM"]

#: Rain, rainbow, wet.
DAYS = np.array([[1, 0, 1], [0, 0, 0], [1, -1, -1], [-1, -1, 1], [0, 1, 0]])


class Weather(unittest.TestCase):
    def setUp(self):
        self.model = danaus.Model.load(WEATHER)

    def test_what_it_is(self):
        self.assertEqual(self.model.name, "weather")
        self.assertEqual([variable.name for variable in self.model.variables], ["rain", "rainbow", "wet"])
        self.assertEqual(self.model.variables[0], danaus.Variable("rain", (), 0, 2))
        self.assertEqual(self.model.queries, ["ll", "train", "marginal", "sample", "mpe"])
        self.assertIn("weather", repr(self.model))

    def test_likelihoods(self):
        found = self.model.on("cpu").log_likelihood(DAYS)
        expected = [math.log(0.456), math.log(0.36), math.log(0.6), math.log(0.61), -math.inf]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        self.assertEqual(found.dtype, np.float64)

    def test_missing_values_can_be_written_in_three_ways(self):
        as_floats = np.where(DAYS < 0, np.nan, DAYS)
        masked = np.ma.masked_array(np.abs(DAYS), mask=DAYS < 0)
        expected = self.model.log_likelihood(DAYS)
        for rows in (as_floats, masked, DAYS.astype(np.int8), DAYS.tolist()):
            np.testing.assert_array_equal(self.model.log_likelihood(rows), expected)

    def test_marginals(self):
        found = self.model.marginals(DAYS)
        self.assertEqual(found.probabilities.shape, (5, 3, 2))
        np.testing.assert_allclose(found.probabilities[3, 0], [0.04 / 0.61, 0.57 / 0.61], rtol=1e-6)
        np.testing.assert_array_equal(found.probabilities[0], [[0, 1], [1, 0], [0, 1]])
        self.assertTrue(np.isnan(found.probabilities[4]).all())
        self.assertFalse(np.isnan(found.probabilities[:4]).any())

    def test_next(self):
        found = self.model.next(DAYS)
        np.testing.assert_allclose(found.probabilities[0], [[0.4, 0.6], [0.8, 0.2], [0.05, 0.95]], rtol=1e-6)
        self.assertTrue(np.isnan(found.probabilities[4, 2]).all())

    def test_most_likely_completions(self):
        found = self.model.mpe(DAYS)
        self.assertTrue(found.is_exact)
        np.testing.assert_array_equal(found.values[:4], [[1, 0, 1], [0, 0, 0], [1, 0, 1], [1, 0, 1]])
        np.testing.assert_allclose(found.log_likelihoods[3], math.log(0.456), rtol=1e-6)
        self.assertEqual(found.log_likelihoods[4], -math.inf)

    def test_samples(self):
        found = self.model.sample(10_000, seed=5)
        self.assertEqual((found.shape, found.dtype), ((10_000, 3), np.int64))
        self.assertAlmostEqual(found[:, 0].mean(), 0.6, delta=0.02)
        self.assertTrue((found[found[:, 0] == 0, 1] == 0).all())
        np.testing.assert_array_equal(found, self.model.sample(10_000, seed=5))
        self.assertFalse(np.array_equal(found, self.model.sample(10_000, seed=6)))

    def test_samples_given_evidence(self):
        found = self.model.sample(100, evidence=DAYS, seed=1)
        self.assertEqual(found.shape, (5, 100, 3))
        self.assertTrue((found[2, :, 0] == 1).all() and (found[3, :, 2] == 1).all())
        np.testing.assert_array_equal(found[0], np.tile([1, 0, 1], (100, 1)))

    def test_training(self):
        rows = np.full((400, 3), -1)
        rows[:, 0] = np.arange(400) % 4 == 0
        report = self.model.train(rows, epochs=3)
        self.assertEqual((report["ending"], report["epochs"]), ("done", 3))
        found = self.model.marginals([[-1, -1, -1]]).probabilities[0, 0]
        np.testing.assert_allclose(found, [0.75, 0.25], atol=1e-4)

    def test_errors_are_exceptions_with_the_text_of_the_command(self):
        def message(question, *arguments, **named):
            with self.assertRaises(danaus.DanausError) as caught:
                question(*arguments, **named)
            return str(caught.exception)

        self.assertIn("`nowhere.pcb`", message(danaus.Model.load, "nowhere.pcb"))
        self.assertIn("there is no device `abacus`", message(self.model.on, "abacus"))
        self.assertIn("row 0, variable `wet`", message(self.model.log_likelihood, [[0, 0, 7]]))
        self.assertIn("3 variables", message(self.model.log_likelihood, [[0, 0]]))
        self.assertIn("whole numbers", message(self.model.log_likelihood, [[0.5, 0, 0]]))
        self.assertIn("an axis for rows", message(self.model.log_likelihood, [0, 0, 0]))
        self.assertIn("temperature", message(self.model.sample, temperature=0.0))
        self.assertIn("colour", message(self.model.train, DAYS[:1], colour="red"))
        self.assertIn("without numbers (`emission`", message(danaus.Model.load(HMM).sample, 1))


class Text(unittest.TestCase):
    def test_parameters_go_to_a_file_and_back(self):
        import tempfile

        model = danaus.Model.load(HMM).with_random_parameters(3)
        with tempfile.TemporaryDirectory() as folder:
            model.save_parameters(os.path.join(folder, "hmm.safetensors"))
            again = danaus.Model.load(HMM).with_parameters(os.path.join(folder, "hmm.safetensors"))
        rows = model.sample(50, seed=2)
        np.testing.assert_array_equal(model.log_likelihood(rows), again.with_batch(7).log_likelihood(rows))

    def test_one_symbol_at_a_time(self):
        model = danaus.Model.load(HMM).with_random_parameters(3)
        rows = model.sample(3, seed=4)
        rows[1, 5] = -1
        stream = model.stream(3)
        every = model.next(rows)
        for position in range(rows.shape[1]):
            self.assertEqual(stream.position, position)
            np.testing.assert_allclose(stream.next(), every.probabilities[:, position], rtol=1e-4, atol=1e-7)
            stream.push(rows[:, position])
        self.assertTrue(stream.is_complete)
        np.testing.assert_allclose(stream.log_likelihoods, model.log_likelihood(rows), rtol=1e-5)
        for question in (stream.next, lambda: stream.push([0, 0, 0])):
            with self.assertRaisesRegex(danaus.DanausError, "all 32 variables have been given values"):
                question()
        with self.assertRaisesRegex(danaus.DanausError, "row 1, variable `x\\[0\\]`"):
            model.stream(2).push([1, 27])
        with self.assertRaisesRegex(danaus.DanausError, "each of 2 rows, but 3"):
            model.stream(2).push([1, 2, 3])
        with self.assertRaisesRegex(danaus.DanausError, "no chain"):
            danaus.Model.load(WEATHER).stream()

    def test_the_interpreter_goes_on_meanwhile(self):
        model = danaus.Model.load(HMM).with_random_parameters(3)
        rows = model.sample(2000, seed=2)
        ticks, done = [], threading.Event()

        def tick():
            while not done.is_set():
                ticks.append(time.monotonic())
                time.sleep(0.001)

        thread = threading.Thread(target=tick)
        thread.start()
        start = time.monotonic()
        model.marginals(rows)
        end = time.monotonic()
        done.set()
        thread.join()
        inside = [at for at in ticks if start < at < end]
        self.assertGreater(len(inside), 2, "the lock of the interpreter was held")


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Modules and sessions side by side give the bits that each gives alone.

    python test/Driver/sessions.py BUILD_DIR
"""
import hashlib
import json
import subprocess
import sys
import threading

import numpy as np

import ampc_api
import harness

STEPS = 60


class Run:
    """One session that trains on the example's data in file order; may pause at every step."""

    def __init__(self, module, data):
        self.session = module.session(device="host", threads=2, seed=1)
        self.digest, self.losses = hashlib.sha256(), []
        arrays = np.load(data)
        batch = module.shape(module.names("input")[0])[0]
        rows = len(arrays["x"]) // batch * batch
        self.batches = [self.session.batch({n: arrays[n][i:i + batch] for n in
                                            module.names("input")})
                        for i in range(0, rows, batch)]

    def steps(self):
        for i in range(STEPS):
            batch = self.batches[i % len(self.batches)]
            self.losses.append(self.session.step(batch).loss)
            if i % 10 == 0:
                self.digest.update(self.session.evaluate(batch)["logits"].tobytes())
            yield

    def result(self):
        """A digest of every loss, some outputs, and all state at the end."""
        self.digest.update(np.array(self.losses, np.float32).tobytes())
        for name in sorted(self.session.module.names("parameter", "state", "scalar")):
            self.digest.update(self.session.get(name).tobytes())
        falls = self.losses[-1] < self.losses[0]
        self.session.close()
        return self.digest.hexdigest(), falls


def alone(library, module_path, data):
    """For a process of its own: prints the result of one run."""
    with ampc_api.Runtime(library).open(module_path) as module:
        run = Run(module, data)
        for _ in run.steps():
            pass
        print(json.dumps(run.result()))


class Sessions(harness.Case):
    def setUp(self):
        super().setUp()
        self.modules = [self.example("mlp_10_100_10", "--target=host", "--optimizer=adam"),
                        self.example("digits", "--target=host")]
        self.sets = [self.data("mlp10"), self.data("digits")]
        self.expected = []
        for module, data in zip(self.modules, self.sets):
            out = subprocess.run([sys.executable, __file__, "--alone", self.build.runtime_path,
                                  module, data], check=True, capture_output=True, text=True)
            digest, falls = json.loads(out.stdout)
            self.assertTrue(falls, f"{module.name} does not train")
            self.expected.append(digest)
        self.assertNotEqual(*self.expected)

    def test_two_modules_in_one_process(self):
        runs = [Run(self.open(m), d) for m, d in zip(self.modules, self.sets)]
        for _ in zip(*(run.steps() for run in runs)):
            pass
        for run, expected in zip(runs, self.expected):
            self.assertEqual(run.result()[0], expected)
        print(f"\n  two modules, {STEPS} steps in turn: as alone", end="")

    def test_two_sessions_of_one_module(self):
        module = self.open(self.modules[0])
        runs = [Run(module, self.sets[0]) for _ in range(2)]
        for _ in zip(*(run.steps() for run in runs)):
            pass
        for run in runs:
            self.assertEqual(run.result()[0], self.expected[0])

    def in_threads(self, runs):
        """Results of the runs, all started at once."""
        barrier, results, errors = threading.Barrier(len(runs)), [None] * len(runs), []

        def train(i):
            try:
                barrier.wait(60)
                for _ in runs[i].steps():
                    pass
                results[i] = runs[i].result()[0]
            except Exception as error:  # reported below, from the test's own thread
                errors.append(error)

        threads = [threading.Thread(target=train, args=(i,)) for i in range(len(runs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(errors, [])
        return results

    def test_one_session_in_each_of_two_threads(self):
        modules = [self.open(m) for m in self.modules]
        for attempt in range(5):
            # Different modules, then sessions of one module.
            self.assertEqual(self.in_threads([Run(m, d) for m, d in zip(modules, self.sets)]),
                             self.expected)
            self.assertEqual(self.in_threads([Run(modules[0], self.sets[0]) for _ in range(2)]),
                             self.expected[:1] * 2)
        print("\n  two threads, ten times: as alone", end="")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        alone(*sys.argv[2:])
    else:
        harness.main()

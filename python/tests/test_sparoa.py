"""The package against the library and the program. Run by `make test-python`."""

import json
import math
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import sparoa
from sparoa import _library

ROOT = Path(os.environ.get("SPAROA_TREE", Path(__file__).resolve().parents[2]))
PROGRAM = os.environ.get("SPAROA_PROGRAM")
TINY, TINY_DEVICE = str(ROOT / "tests/data/tiny.graph.csv"), str(ROOT / "tests/data/tiny.device")


class Lists(unittest.TestCase):
    def test_names_are_the_librarys(self):
        self.assertEqual(sparoa.models()[0], "resnet18")
        self.assertIn("agx-orin", sparoa.devices())
        self.assertIn("heft", sparoa.policies())
        self.assertTrue(sparoa.version())

    def test_a_model_has_its_operators(self):
        model = sparoa.model("resnet18", batch=2)
        self.assertEqual(model["parameters"], 11689512)
        # conv1: 64 channels of 112x112, each from 7x7x3; two images
        self.assertEqual(model["operators"][0]["macs"], 2 * 64 * 112 * 112 * 147)
        self.assertEqual(sum(op["macs"] for op in model["operators"]), model["macs"])

    def test_a_device_and_a_scenario_are_dictionaries(self):
        self.assertEqual(sparoa.device("agx-orin")["processors"], ["cpu", "gpu"])
        self.assertEqual(sparoa.scenario("closed")["name"], "closed")

    def test_an_unknown_name_suggests_the_nearest(self):
        with self.assertRaisesRegex(sparoa.Error, "did you mean 'resnet18'"):
            sparoa.model("resnet19")

    def test_a_folder_without_data_is_an_error(self):
        with self.assertRaises(sparoa.Error) as caught:
            sparoa.Library("/nowhere")
        self.assertEqual(caught.exception.status, "NOT_FOUND")


class Compare(unittest.TestCase):
    @unittest.skipUnless(PROGRAM, "SPAROA_PROGRAM is not set")
    def test_rows_are_those_of_the_program(self):
        policies = ["cpu-only", "heft", "threshold:sparsity=0.3"]
        rows = sparoa.compare(TINY, TINY_DEVICE, policies, reps=4, seed=9, policy_cost=0, missing="model")
        line = [PROGRAM, "compare", TINY, "--device", TINY_DEVICE, "--policy", ",".join(policies),
                "--reps", "4", "--seed", "9", "--policy-cost", "off", "--json", "--quiet"]
        theirs = json.loads(subprocess.run(line, check=True, capture_output=True).stdout)
        ours = rows.document
        for document in (ours, theirs):
            for row in document["runs"][0]["results"]:
                del row["plan_host_ms"]
        self.assertEqual(ours, theirs)
        self.assertEqual([row["policy"] for row in rows], policies)
        self.assertEqual(rows[1]["latency_ms"], theirs["runs"][0]["results"][1]["latency_ms"]["mean"])

    def test_a_skipped_row_has_a_reason_and_no_numbers(self):
        row = sparoa.compare(TINY, TINY_DEVICE, "exhaustive:limit=2")[0]
        self.assertIn("exhaustive", row["skipped"])
        self.assertTrue(math.isnan(row["latency_ms"]))

    def test_wrong_options_are_errors(self):
        with self.assertRaisesRegex(sparoa.Error, "did you mean '--time-limit'"):
            sparoa.compare(TINY, TINY_DEVICE, "heft", time_limt=3)
        with self.assertRaisesRegex(sparoa.Error, "--reps"):
            sparoa.compare(TINY, TINY_DEVICE, "heft", reps=-1)

    def test_simulate_tells_what_happened_when(self):
        rows = sparoa.simulate(TINY, TINY_DEVICE, "heft", noise=0)
        requests = [i for i in rows.intervals if i["kind"] == "request"]
        self.assertEqual(len(requests), 1)
        taken = (requests[0]["end_ns"] - requests[0]["begin_ns"]) * 1e-6
        self.assertAlmostEqual(rows[0]["latency_ms"], taken, places=12)

    def test_plugins_come_along(self):
        plugin = os.environ.get("SPAROA_TEST_PLUGIN")
        if not plugin:
            self.skipTest("SPAROA_TEST_PLUGIN is not set")
        rows = sparoa.compare(TINY, TINY_DEVICE, ["cpu-only", "good"], plugins=[plugin], noise=0,
                              policy_cost=0)
        self.assertEqual(rows[0]["latency_ms"], rows[1]["latency_ms"])


class Layout(unittest.TestCase):
    @unittest.skipUnless(shutil.which("cc"), "no C compiler")
    def test_structures_are_those_of_the_header(self):
        lines = ['#include "sparoa.h"', "#include <stdio.h>", "int main(void)", "{"]
        for name, structure in _library.STRUCTURES.items():
            for field, _ in structure._fields_:
                lines.append(f'printf("%zu\\n", offsetof({name}, {field}));')
            lines.append(f'printf("%zu\\n", sizeof({name}));')
        lines.append("return 0; }")
        with tempfile.TemporaryDirectory() as folder:
            source, program = Path(folder) / "layout.c", Path(folder) / "layout"
            source.write_text("\n".join(lines))
            subprocess.run(["cc", "-std=c17", "-I", str(ROOT / "experiments"), str(source), "-o",
                            str(program)], check=True)
            theirs = subprocess.run([str(program)], check=True, capture_output=True, text=True)
        import ctypes
        ours = []
        for structure in _library.STRUCTURES.values():
            ours += [getattr(structure, field).offset for field, _ in structure._fields_]
            ours.append(ctypes.sizeof(structure))
        self.assertEqual(ours, [int(line) for line in theirs.stdout.split()])


if __name__ == "__main__":
    unittest.main()

"""Exported zoo models (and the models of a folder, if it is there): ONNX Runtime's answer to a
seeded input, as a case that onnx_conformance runs on every backend. Relative L2 <= 1e-5.

    python onnx_check.py BUILD OUT [FOLDER]
"""
import os
import shutil
import struct
import subprocess
import sys

import numpy
import onnxruntime

MODELS = ["resnet18", "mobilenet_v2", "mobilenet_v3_small", "vit_b_16", "swin_t"]


def varint(x):
    out = b""
    while True:
        out += bytes([x & 0x7F | (0x80 if x > 0x7F else 0)])
        x >>= 7
        if x == 0:
            return out


def tensor(name, array):
    """A TensorProto of floats or int64."""
    kind = 7 if array.dtype == numpy.int64 else 1
    raw, text = array.tobytes(), name.encode()
    out = b"".join(b"\x08" + varint(d) for d in array.shape)
    out += b"\x10" + varint(kind)
    out += b"\x42" + varint(len(text)) + text
    return out + b"\x4a" + varint(len(raw)) + raw


def make_case(folder, model):
    """model.onnx, a seeded input, ONNX Runtime's output."""
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data, exist_ok=True)
    path = os.path.join(folder, "model.onnx")
    if os.path.abspath(model) != os.path.abspath(path):
        shutil.copyfile(model, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    random = numpy.random.default_rng(1)
    feed = {}
    for i, spec in enumerate(session.get_inputs()):
        shape = [d if isinstance(d, int) else 1 for d in spec.shape]
        feed[spec.name] = random.standard_normal(shape).astype(numpy.float32)
        with open(os.path.join(data, "input_%d.pb" % i), "wb") as f:
            f.write(tensor(spec.name, feed[spec.name]))
    names = [o.name for o in session.get_outputs()]
    for i, answer in enumerate(session.run(names, feed)):
        with open(os.path.join(data, "output_%d.pb" % i), "wb") as f:
            f.write(tensor(names[i], answer.astype(numpy.float32)))


def main():
    build, out = sys.argv[1], sys.argv[2]
    folder = sys.argv[3] if len(sys.argv) > 3 else ""
    shutil.rmtree(out, ignore_errors=True)
    print("ONNX Runtime", onnxruntime.__version__)
    for name in MODELS:
        case = os.path.join(out, "test_" + name)
        os.makedirs(case)
        path = os.path.join(case, "model.onnx")
        subprocess.run([os.path.join(build, "sparoa"), "export", "onnx", name, "-o", path, "--quiet"],
                       check=True, stdout=subprocess.DEVNULL)
        make_case(case, path)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.endswith(".onnx"):
            make_case(os.path.join(out, "test_" + name[:-5]), os.path.join(folder, name))
    result = subprocess.run([os.path.join(build, "onnx_conformance"), out, "--verbose", "--l2=1e-5"])
    shutil.rmtree(out, ignore_errors=True)
    return result.returncode


sys.exit(main())

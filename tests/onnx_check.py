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


def text(field, value):
    return bytes([field << 3 | 2]) + varint(len(value)) + (value if isinstance(value, bytes) else value.encode())


class Graph:
    """Nodes and tensors in the order in which they are added."""

    def __init__(self, opset):
        self.body, self.opset, self.count = b"", opset, 0

    def tensor(self, array, name=None):
        self.count += 1
        name = name or "t%d" % self.count
        self.body += text(5, tensor(name, numpy.asarray(array)))
        return name

    def node(self, op, *inputs, out=None, **attributes):
        self.count += 1
        out = out or "%s%d" % (op.lower(), self.count)
        message = b"".join(text(1, i) for i in inputs) + text(2, out) + text(4, op)
        for key, value in attributes.items():
            many = isinstance(value, (list, tuple))
            numbers = b"".join((b"\x40" if many else b"\x18") + varint(v & (1 << 64) - 1)
                               for v in (value if many else [value]))
            message += text(5, text(1, key) + numbers + b"\xa0\x01" + (b"\x07" if many else b"\x02"))
        self.body += text(1, message)
        return out

    def info(self, field, name, shape, kind=1):
        dims = b"".join(text(1, b"\x08" + varint(d)) for d in shape)
        self.body += text(field, text(1, name) + text(2, text(1, b"\x08" + varint(kind) + text(2, dims))))

    def save(self, path):
        with open(path, "wb") as f:
            f.write(b"\x08\x07" + text(8, text(1, "") + b"\x10" + varint(self.opset)) + text(7, self.body))


def bert_layer(path):
    """An encoder layer as PyTorch's exporter writes one: shapes computed from shapes, norms and GELU
    in pieces, a mask of -1e4. 2 samples of 8 tokens, width 32, 4 heads."""
    g, random = Graph(14), numpy.random.default_rng(2)
    width, heads = 32, 4
    new = lambda *shape: (random.standard_normal(shape) / 4).astype(numpy.float32)
    number = lambda x: g.tensor(numpy.float32(x))
    whole = lambda *x: g.tensor(numpy.array(x, numpy.int64))

    def norm(x):
        mean = g.node("ReduceMean", x, axes=[-1])
        d = g.node("Sub", x, mean)
        square = g.node("Pow", d, number(2))
        root = g.node("Sqrt", g.node("Add", g.node("ReduceMean", square, axes=[-1]), number(1e-12)))
        y = g.node("Mul", g.node("Div", d, root), g.tensor(new(width)))
        return g.node("Add", y, g.tensor(new(width)))

    def linear(x, n, m):
        return g.node("Add", g.tensor(new(m)), g.node("MatMul", x, g.tensor(new(n, m))))

    def sizes(x):
        shape = g.node("Shape", x)
        one = lambda i: g.node("Unsqueeze", g.node("Gather", shape, g.tensor(numpy.int64(i)), axis=0), whole(0))
        return one(0), one(1)

    def split(x):
        batch, tokens = sizes(x)
        shape = g.node("Concat", batch, tokens, whole(heads), whole(width // heads), axis=0)
        return g.node("Reshape", x, shape)

    g.info(11, "ids", [2, 8], 7)
    g.info(11, "mask", [2, 8], 7)
    words = g.node("Gather", g.tensor(new(50, width)), "ids", axis=0)
    x = norm(g.node("Add", words, g.node("Slice", g.tensor(new(1, 16, width)), whole(0), whole(8), whole(1))))
    m = g.node("Unsqueeze", "mask", whole(1, 2))
    m = g.node("Mul", g.node("Sub", number(1), g.node("Cast", m, to=1)), number(-1e4))
    q = g.node("Transpose", split(linear(x, width, width)), perm=[0, 2, 1, 3])
    k = g.node("Transpose", split(linear(x, width, width)), perm=[0, 2, 3, 1])
    v = g.node("Transpose", split(linear(x, width, width)), perm=[0, 2, 1, 3])
    scores = g.node("Add", g.node("Div", g.node("MatMul", q, k), number(8 ** 0.5)), m)
    mixed = g.node("Transpose", g.node("MatMul", g.node("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
    batch, tokens = sizes(mixed)
    mixed = g.node("Reshape", mixed, g.node("Concat", batch, tokens, whole(width), axis=0))
    x = norm(g.node("Add", linear(mixed, width, width), x))
    h = linear(x, width, 4 * width)
    e = g.node("Add", g.node("Erf", g.node("Div", h, number(2 ** 0.5))), number(1))
    h = g.node("Mul", g.node("Mul", h, e), number(0.5))
    x = norm(g.node("Add", linear(h, 4 * width, width), x))
    first = g.node("Gather", x, g.tensor(numpy.int64(0)), axis=1)
    g.node("Tanh", g.node("Gemm", first, g.tensor(new(width, width)), g.tensor(new(width)), transB=1), out="pooled")
    g.info(12, "pooled", [2, width])
    g.save(path)


def check_kinds(build, case, wanted):
    """How many operators of some kinds the import makes."""
    csv = os.path.join(case, "graph.csv")
    subprocess.run([os.path.join(build, "sparoa"), "import", "onnx", os.path.join(case, "model.onnx"), "-o", csv],
                   check=True, stdout=subprocess.DEVNULL)
    with open(csv) as f:
        kinds = [line.split(",")[1] for line in f]
    for kind, n in wanted.items():
        if kinds.count(kind) != n:
            sys.exit("%s: %d operators of kind %s instead of %d" % (case, kinds.count(kind), kind, n))


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
        whole = spec.type == "tensor(int64)"
        values = random.integers(0, 2, shape) if whole else random.standard_normal(shape)
        feed[spec.name] = values.astype(numpy.int64 if whole else numpy.float32)
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
    case = os.path.join(out, "test_bert_layer")
    os.makedirs(case)
    bert_layer(os.path.join(case, "model.onnx"))
    make_case(case, os.path.join(case, "model.onnx"))
    check_kinds(build, case, {"layer_norm": 3, "gelu": 1, "linear": 7, "matmul": 2, "softmax": 1, "embed": 1})
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.endswith(".onnx"):
            make_case(os.path.join(out, "test_" + name[:-5]), os.path.join(folder, name))
    result = subprocess.run([os.path.join(build, "onnx_conformance"), out, "--verbose", "--l2=1e-5"])
    shutil.rmtree(out, ignore_errors=True)
    return result.returncode


sys.exit(main())

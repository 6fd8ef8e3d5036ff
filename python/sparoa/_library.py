"""sparoa.h as ctypes: structures, functions, errors. Nothing is decided here."""

import ctypes as c
import os
import sys
from pathlib import Path

API_VERSION = 1
STATUSES = ("OK NOMEM INVALID PARSE IO NOT_FOUND RANGE UNSUPPORTED ILLEGAL USAGE INTERRUPTED").split()


class Error(RuntimeError):
    """What the library says: one line that names what is at fault and the cure."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = STATUSES[status] if 0 <= status < len(STATUSES) else str(status)


class _Error(c.Structure):
    _fields_ = [("status", c.c_int), ("message", c.c_char * 768)]


class Sized(c.Structure):
    """A structure that begins with its size."""

    def __init__(self):
        super().__init__()
        self.struct_size = c.sizeof(self)


def _fields(text):
    types = {
        "text": c.c_char_p, "i64": c.c_int64, "u64": c.c_uint64, "i32": c.c_int32, "u32": c.c_uint32,
        "size": c.c_size_t, "real": c.c_double, "texts": c.POINTER(c.c_char_p), "kind": c.c_int,
    }
    fields = [("struct_size", c.c_size_t)]
    for line in text.strip().splitlines():
        kind, names = line.split(None, 1)
        fields += [(name.strip(), types[kind]) for name in names.split(",")]
    return fields


class ModelInfo(Sized):
    _fields_ = _fields("""
        text name, dtype
        i64 batch
        size n_operators
        i64 macs, parameters""")


class Operator(Sized):
    _fields_ = _fields("""
        text name, kind
        i64 macs, bytes_in, bytes_weight, bytes_out
        real sparsity, input_sparsity
        text sparsity_origin""")


class DeviceInfo(Sized):
    _fields_ = _fields("""
        text name, summary, default_mode, default_stack, default_lanes, origin
        texts modes, stacks, processors
        size n_modes, n_stacks, n_processors""")


class ScenarioInfo(Sized):
    _fields_ = _fields("""
        text name, summary, mix
        u32 concurrency
        u64 requests, warmup
        real rate_hz, deadline_ms""")


class Options(Sized):
    _fields_ = _fields("""
        text stack, lanes, dtype, scenario, batcher, objective
        i64 batch, concurrency, requests, reps, budget, jobs, seed
        real rate_hz
        i32 noise, policy_cost, contention, isolate
        texts plugins
        size n_plugins
        texts more
        size n_more""")


class Row(Sized):
    _fields_ = _fields("""
        text model, device, mode, stack, lanes, scenario, dtype, origin, policy, baseline, skipped
        i64 batch
        real latency_ms, p50_ms, p95_ms, p99_ms, ci95_ms, lower_bound_ms, gap
        real energy_mj, energy_dynamic_mj, power_w, throughput_ips, gpu_share
        real transfers, transfer_ms, overlap, deadline_ms, miss_rate, tardiness_ms
        real dispatch_ms, plan_host_ms
        u64 requests, reps, digest""")


class Interval(Sized):
    _fields_ = _fields("""
        kind kind
        text op, processor
        u32 lane
        u64 request
        i64 begin_ns, end_ns
        real power_w
        u32 tenths""")


class EnvironmentOptions(Sized):
    _fields_ = _fields("""
        u64 n_envs, max_steps
        u32 n_slots
        i32 continuous, rank_order
        text shaping
        real lambda_energy, lambda_transfer""")


class Episode(Sized):
    _fields_ = _fields("""
        text model, device
        u64 steps
        real total_reward, value, single""")


STRUCTURES = {
    "sparoa_model_info": ModelInfo, "sparoa_operator": Operator, "sparoa_device_info": DeviceInfo,
    "sparoa_scenario_info": ScenarioInfo, "sparoa_options": Options, "sparoa_row": Row,
    "sparoa_interval": Interval, "sparoa_environment_options": EnvironmentOptions,
    "sparoa_episode": Episode,
}


def _places():
    """Where libsparoa.so may be: $SPAROA_LIBRARY (then nowhere else), the tree or prefix this file is
    in, the prefix of this Python, and where the system looks."""
    given = os.environ.get("SPAROA_LIBRARY")
    if given:
        return [given]
    above = Path(__file__).resolve().parents  # python/sparoa, or PREFIX/share/sparoa/python/sparoa
    places = [above[2] / "build" / variant / "api" for variant in ("release", "debug")]
    places += [prefix / "lib" for prefix in list(above[4:5]) +
               [Path(prefix) for prefix in (sys.prefix, sys.base_prefix, "/usr/local")]]
    found = [place / "libsparoa.so.1" for place in places]
    return [str(place) for place in found if place.exists()] + ["libsparoa.so.1"]


def _load():
    faults = []
    for place in _places():
        try:
            # Global: plug-ins find the library's functions in it.
            return c.CDLL(place, mode=c.RTLD_GLOBAL)
        except OSError as fault:
            faults.append(str(fault))
    raise ImportError("libsparoa.so.1 is not found (" + "; ".join(faults) + "); build it with "
                      "`make api` or `make install`, and name it in SPAROA_LIBRARY if it is "
                      "elsewhere")


lib = _load()


def _declare():
    text, size, handle = c.c_char_p, c.c_size_t, c.c_void_p
    texts, out, error = c.POINTER(c.c_char_p), c.POINTER(c.c_void_p), c.POINTER(_Error)
    floats, bytes_ = c.c_void_p, c.c_void_p  # of numpy arrays
    options = c.POINTER(Options)
    functions = {
        "sparoa_open": (out, text, error),
        "sparoa_names": (handle, c.c_int, c.POINTER(texts), error),
        "sparoa_model_load": (handle, text, c.c_int64, text, out, error),
        "sparoa_model_describe": (handle, c.POINTER(ModelInfo), error),
        "sparoa_model_operator": (handle, size, c.POINTER(Operator), error),
        "sparoa_device_load": (handle, text, out, error),
        "sparoa_device_describe": (handle, c.POINTER(DeviceInfo), error),
        "sparoa_scenario_load": (handle, text, out, error),
        "sparoa_scenario_describe": (handle, c.POINTER(ScenarioInfo), error),
        "sparoa_compare": (handle, texts, size, texts, size, texts, size, options, out, error),
        "sparoa_simulate": (handle, text, text, text, options, out, error),
        "sparoa_results_row": (handle, size, c.POINTER(Row), error),
        "sparoa_results_json": (handle, c.POINTER(text), error),
        "sparoa_results_interval": (handle, size, c.POINTER(Interval), error),
        "sparoa_environment_new": (handle, texts, size, texts, size, options,
                                   c.POINTER(EnvironmentOptions), out, error),
        "sparoa_environment_reset": (handle, floats, bytes_, error),
        "sparoa_environment_step": (handle, c.c_void_p, floats, bytes_, floats, bytes_, bytes_, error),
        "sparoa_environment_begin": (handle, size, c.c_int64, floats, bytes_, error),
        "sparoa_environment_decide": (handle, size, c.c_void_p, floats, bytes_, floats, bytes_, bytes_,
                                      error),
        "sparoa_environment_last": (handle, size, c.POINTER(Episode), error),
    }
    for name, arguments in functions.items():
        function = getattr(lib, name)
        function.argtypes = arguments
        function.restype = c.c_int
    for name in ("close", "model_free", "device_free", "scenario_free", "results_free",
                 "environment_free"):
        function = getattr(lib, "sparoa_" + name)
        function.argtypes = (handle,)
        function.restype = None
    for name in ("results_count", "results_n_intervals", "environment_n_obs",
                 "environment_n_actions", "environment_n_envs"):
        function = getattr(lib, "sparoa_" + name)
        function.argtypes = (handle,)
        function.restype = size
    lib.sparoa_environment_final_obs.argtypes = (handle, size)
    lib.sparoa_environment_final_obs.restype = c.POINTER(c.c_float)
    lib.sparoa_options_init.argtypes = (options, size)
    lib.sparoa_environment_options_init.argtypes = (c.POINTER(EnvironmentOptions), size)
    lib.sparoa_options_init.restype = lib.sparoa_environment_options_init.restype = None
    lib.sparoa_api_version.restype = c.c_uint32
    lib.sparoa_version.restype = c.c_char_p


_declare()
if lib.sparoa_api_version() != API_VERSION:
    raise ImportError(f"{lib._name} has version {lib.sparoa_api_version()} of the interface; this "
                      f"package is for {API_VERSION}")


def call(name, *arguments):
    """Calls a function that returns a status; raises what it says."""
    error = _Error()
    status = getattr(lib, name)(*arguments, c.byref(error))
    if status:
        raise Error(status, error.message.decode(errors="replace"))


def texts(values):
    """An array of texts; a single one is a list of one. With its length."""
    if values is None:
        values = ()
    if isinstance(values, (str, os.PathLike)):
        values = (values,)
    encoded = [os.fsencode(value) for value in values]
    return (c.c_char_p * len(encoded))(*encoded), len(encoded)


def text(value):
    return None if value is None else os.fsencode(value)


def as_dict(structure):
    """The members of a structure, bytes as text; lists of texts come out as lists."""
    found = {}
    for name, kind in structure._fields_:
        value = getattr(structure, name)
        if name == "struct_size" or name.startswith("n_") and hasattr(structure, name[2:]):
            continue
        if kind is c.c_char_p:
            value = None if value is None else value.decode(errors="replace")
        elif kind is c.POINTER(c.c_char_p):
            value = [value[i].decode(errors="replace") for i in range(getattr(structure, "n_" + name))]
        found[name] = value
    return found


def make_options(given):
    """sparoa_options from keywords: its members by name, whatever else as a further option of the
    command line (time_limit=10 is --time-limit=10, batch=[1, 8] is that option twice). With what must live as
    long as it does."""
    options, keep, more = Options(), [], []
    lib.sparoa_options_init(c.byref(options), c.sizeof(options))
    members = dict(Options._fields_)
    for name, value in given.items():
        if value is None:
            continue
        if name == "plugins":
            array, options.n_plugins = texts(value)
            options.plugins = c.cast(array, c.POINTER(c.c_char_p))
            keep.append(array)
        elif (name in members and name not in ("struct_size", "more", "n_more", "n_plugins")
              and not isinstance(value, (list, tuple))):
            setattr(options, name, text(value) if members[name] is c.c_char_p else value)
        else:
            option = "--" + name.replace("_", "-")
            for item in value if isinstance(value, (list, tuple)) else [value]:
                if item is not False:
                    more.append(option if item is True else f"{option}={os.fspath(item) if isinstance(item, os.PathLike) else item}")
    array, options.n_more = texts(more)
    options.more = c.cast(array, c.POINTER(c.c_char_p))
    keep.append(array)
    return options, keep

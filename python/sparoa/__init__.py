"""The SparOA testbed from Python: a thin layer over libsparoa (sparoa.h).

    import sparoa
    rows = sparoa.compare("resnet18", "agx-orin", ["heft", "dp"], reps=10)
    pandas.DataFrame(rows)

Options are those of `sparoa compare`, with underscores: stack, lanes, dtype, scenario, objective, batch,
concurrency, requests, reps, seed, budget, jobs, rate_hz, noise, policy_cost, contention, isolate,
plugins; any other keyword is a further option of the command line (missing="model",
time_limit=10). sparoa.gym has the scheduling environment for Gymnasium.
"""

import ctypes as _c
import json as _json

from . import _library as _l
from ._library import Error

__all__ = ["Error", "Library", "Results", "baselines", "compare", "device", "devices", "model", "models",
           "policies", "scenario", "scenarios", "simulate", "version"]

INTERVAL_KINDS = ("dispatch", "kernel", "transfer", "request")


def version():
    """The commit that the library was built from."""
    return _l.lib.sparoa_version().decode()


class _Handle:
    """Something of the library's that is freed with this object."""

    def __init__(self, free):
        self.pointer = _c.c_void_p()
        self._free = free

    def out(self):
        return _c.byref(self.pointer)

    def close(self):
        if self.pointer:
            self._free(self.pointer)
            self.pointer.value = None

    def __del__(self):
        self.close()


class Results(list):
    """Rows of a comparison or simulation: dictionaries with a key per number, as the library has
    them; unknown numbers are NaN, unknown texts None. `document` is the JSON document of
    `sparoa compare --json`, `intervals` what happened in a simulation's first replication."""

    def __init__(self, handle):
        pointer = handle.pointer
        super().__init__(_each("sparoa_results_row", pointer, _l.Row,
                               _l.lib.sparoa_results_count(pointer)))
        text = _c.c_char_p()
        _l.call("sparoa_results_json", pointer, _c.byref(text))
        self.document = _json.loads(text.value)
        self.intervals = _each("sparoa_results_interval", pointer, _l.Interval,
                               _l.lib.sparoa_results_n_intervals(pointer))
        for interval in self.intervals:
            interval["kind"] = INTERVAL_KINDS[interval["kind"]]


def _each(function, pointer, structure, count):
    found = []
    for i in range(count):
        one = structure()
        _l.call(function, pointer, i, _c.byref(one))
        found.append(_l.as_dict(one))
    return found


class Library:
    """The library with its data: that of `data` (the folder that holds devices/data), or what it
    finds by itself."""

    def __init__(self, data=None):
        self._handle = _Handle(_l.lib.sparoa_close)
        _l.call("sparoa_open", self._handle.out(), _l.text(data))

    @property
    def pointer(self):
        return self._handle.pointer

    def names(self, kind):
        kinds = ("models", "devices", "policies", "scenarios", "baselines")
        names = _c.POINTER(_c.c_char_p)()
        _l.call("sparoa_names", self.pointer, kinds.index(kind), _c.byref(names))
        found = []
        while names[len(found)] is not None:
            found.append(names[len(found)].decode())
        return found

    def _describe(self, what, structure, load_arguments):
        handle = _Handle(getattr(_l.lib, f"sparoa_{what}_free"))
        _l.call(f"sparoa_{what}_load", self.pointer, *load_arguments, handle.out())
        info = structure()
        _l.call(f"sparoa_{what}_describe", handle.pointer, _c.byref(info))
        return handle, info

    def model(self, name, batch=0, dtype=None):
        """A model, with its operators."""
        handle, info = self._describe("model", _l.ModelInfo, (_l.text(name), batch, _l.text(dtype)))
        found = _l.as_dict(info)
        found["operators"] = _each("sparoa_model_operator", handle.pointer, _l.Operator,
                                   info.n_operators)
        return found

    def device(self, name):
        _handle, info = self._describe("device", _l.DeviceInfo, (_l.text(name),))
        return _l.as_dict(info)

    def scenario(self, name):
        _handle, info = self._describe("scenario", _l.ScenarioInfo, (_l.text(name),))
        return _l.as_dict(info)

    def compare(self, models, devices, policies=None, **options):
        """Every policy (None: all) on every model on every device: Results, a row of each."""
        given, keep = _l.make_options(options)
        handle = _Handle(_l.lib.sparoa_results_free)
        _l.call("sparoa_compare", self.pointer, *_l.texts(models), *_l.texts(devices),
                *_l.texts(policies), _c.byref(given), handle.out())
        del keep
        return Results(handle)

    def simulate(self, model, device, policy, **options):
        """One policy on one model and device: Results with one row and its intervals."""
        given, keep = _l.make_options(options)
        handle = _Handle(_l.lib.sparoa_results_free)
        _l.call("sparoa_simulate", self.pointer, _l.text(model), _l.text(device), _l.text(policy),
                _c.byref(given), handle.out())
        del keep
        return Results(handle)


_default = None


def library():
    """The library that the functions of this module use, opened at the first use."""
    global _default
    if _default is None:
        _default = Library()
    return _default


def models():
    return library().names("models")


def devices():
    return library().names("devices")


def policies():
    return library().names("policies")


def scenarios():
    return library().names("scenarios")


def baselines():
    return library().names("baselines")


def model(name, batch=0, dtype=None):
    return library().model(name, batch, dtype)


def device(name):
    return library().device(name)


def scenario(name):
    return library().scenario(name)


def compare(models, devices, policies=None, **options):
    return library().compare(models, devices, policies, **options)


def simulate(model, device, policy, **options):
    return library().simulate(model, device, policy, **options)


for _function in (model, device, scenario, compare, simulate):
    _function.__doc__ = getattr(Library, _function.__name__).__doc__

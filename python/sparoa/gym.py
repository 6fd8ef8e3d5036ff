"""The scheduling environment (docs/environment.md) for Gymnasium.

    env = sparoa.gym.SchedulingEnv("resnet18", "crossover", noise=0)
    envs = sparoa.gym.SchedulingVectorEnv(64, ["resnet18", "mobilenet_v2"], "crossover")

One episode places the operators of one run, one step places one operator. Actions are processors
(Discrete) with info["action_mask"] saying which can run the operator: others are errors. With
continuous=True they are preferences in [-1, 1], which always mean something. Further keywords are
options of sparoa.compare and of `sparoa train` (vary_speed=1.3, variants=8).
"""

import ctypes as c

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from . import _library as _l
from . import _Handle, library

ENVIRONMENT_OPTIONS = [name for name, _ in _l.EnvironmentOptions._fields_ if name != "struct_size"]


class _Environment:
    """sparoa_environment with the arrays it fills."""

    def __init__(self, models, devices, given):
        keywords = dict(given)
        own = _l.EnvironmentOptions()
        _l.lib.sparoa_environment_options_init(c.byref(own), c.sizeof(own))
        for name in ENVIRONMENT_OPTIONS:
            value = keywords.pop(name, None)
            if value is not None:
                setattr(own, name, _l.text(value) if name == "shaping" else value)
        options, keep = _l.make_options(keywords)
        self.library = library()  # must outlive the environment
        self.handle = _Handle(_l.lib.sparoa_environment_free)
        _l.call("sparoa_environment_new", self.library.pointer, *_l.texts(models),
                *_l.texts(devices), c.byref(options), c.byref(own), self.handle.out())
        del keep
        self.pointer = self.handle.pointer
        self.continuous = own.continuous != 0
        n = self.n = _l.lib.sparoa_environment_n_envs(self.pointer)
        self.n_obs = _l.lib.sparoa_environment_n_obs(self.pointer)
        self.n_actions = _l.lib.sparoa_environment_n_actions(self.pointer)
        self.obs = np.zeros((n, self.n_obs), np.float32)
        self.mask = np.zeros((n, self.n_actions), np.uint8)
        self.reward = np.zeros(n, np.float32)
        self.terminated = np.zeros(n, np.uint8)
        self.truncated = np.zeros(n, np.uint8)
        self.action_type = np.float32 if self.continuous else np.uint32

    def episode(self, i):
        one = _l.Episode()
        _l.call("sparoa_environment_last", self.pointer, i, c.byref(one))
        return _l.as_dict(one)

    def actions(self, actions):
        """As the library takes them: one number per environment."""
        flat = np.asarray(actions).reshape(self.n)
        if not self.continuous and (flat < 0).any():
            raise ValueError(f"an action is a slot from 0 to {self.n_actions - 1}")
        return np.ascontiguousarray(flat, self.action_type)

    def spaces(self):
        action = (spaces.Box(-1, 1, (1,), np.float32) if self.continuous
                  else spaces.Discrete(self.n_actions))
        return spaces.Box(-1, 1, (self.n_obs,), np.float32), action


class SchedulingEnv(gymnasium.Env):
    """One environment. reset(seed=N) begins a new stream of episodes, reset() goes on with it."""

    metadata = {"render_modes": []}

    def __init__(self, models, devices, **options):
        options["n_envs"] = 1
        self._e = _Environment(models, devices, options)
        self.observation_space, self.action_space = self._e.spaces()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        e = self._e
        _l.call("sparoa_environment_begin", e.pointer, 0, -1 if seed is None else seed,
                e.obs.ctypes.data, e.mask.ctypes.data)
        return e.obs[0].copy(), {"action_mask": e.mask[0].copy()}

    def step(self, action):
        e = self._e
        actions = e.actions(action)
        _l.call("sparoa_environment_decide", e.pointer, 0, actions.ctypes.data, e.obs.ctypes.data,
                e.mask.ctypes.data, e.reward.ctypes.data, e.terminated.ctypes.data,
                e.truncated.ctypes.data)
        terminated, truncated = bool(e.terminated[0]), bool(e.truncated[0])
        info = {"action_mask": e.mask[0].copy()}
        if terminated or truncated:
            info["sparoa"] = e.episode(0)
        return e.obs[0].copy(), float(e.reward[0]), terminated, truncated, info

    def action_masks(self):
        """What may be done now, as MaskablePPO asks for it."""
        return self._e.mask[0].astype(bool)

    def close(self):
        self._e.handle.close()


class SchedulingVectorEnv(gymnasium.vector.VectorEnv):
    """Many environments, stepped by the library at once. What ends is reset in the same step."""

    metadata = {"render_modes": [], "autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}

    def __init__(self, num_envs, models, devices, **options):
        options["n_envs"] = num_envs
        self._what = models, devices, options
        self._e = self._make(None)
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = self._e.spaces()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def _make(self, seed):
        models, devices, options = self._what
        return _Environment(models, devices, options if seed is None else {**options, "seed": seed})

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self._e.handle.close()
            self._e = self._make(seed)
        e = self._e
        _l.call("sparoa_environment_reset", e.pointer, e.obs.ctypes.data, e.mask.ctypes.data)
        return e.obs.copy(), self._infos()

    def _infos(self):
        return {"action_mask": self._e.mask.copy(), "_action_mask": np.ones(self.num_envs, bool)}

    def step(self, actions):
        e = self._e
        given = e.actions(actions)
        _l.call("sparoa_environment_step", e.pointer, given.ctypes.data, e.obs.ctypes.data,
                e.mask.ctypes.data, e.reward.ctypes.data, e.terminated.ctypes.data,
                e.truncated.ctypes.data)
        terminated, truncated = e.terminated.astype(bool), e.truncated.astype(bool)
        infos = self._infos()
        if (terminated | truncated).any():
            final = np.zeros_like(e.obs)  # what has terminated is seen as 0
            for i in np.flatnonzero(truncated):
                seen = _l.lib.sparoa_environment_final_obs(e.pointer, int(i))
                final[i] = np.ctypeslib.as_array(seen, (e.n_obs,))
            infos["final_obs"], infos["_final_obs"] = final, terminated | truncated
        return e.obs.copy(), e.reward.astype(np.float64), terminated, truncated, infos

    def episodes(self):
        """The last episode that each environment ended."""
        return [self._e.episode(i) for i in range(self.num_envs)]

    def close_extras(self, **kwargs):
        self._e.handle.close()

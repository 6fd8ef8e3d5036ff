"""Trains stable-baselines3's PPO to place the operators of a model, and compares it with policies.

    pip install stable-baselines3 ./python      (see python/README.md)
    python docs/examples/train_ppo.py [STEPS [MODEL [DEVICE]]]

Actions are preferences in [-1, 1], so that every one of them means something (PPO knows no masks).
The reward of an episode is minus its latency over that of the best single processor: -1 is as good.
"""

import sys

from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

import sparoa
from sparoa.gym import SchedulingEnv

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 60000
model = sys.argv[2] if len(sys.argv) > 2 else "mobilenet_v3_small"
device = sys.argv[3] if len(sys.argv) > 3 else "crossover"

envs = make_vec_env(lambda: SchedulingEnv(model, device, continuous=True, noise=0), 8, seed=1)
learner = PPO("MlpPolicy", envs, n_steps=512, batch_size=256, gamma=1.0, ent_coef=0.0, seed=1,
              device="cpu", verbose=0)


def play():
    """One episode of the greedy policy: its latency over that of the best single processor."""
    env = SchedulingEnv(model, device, continuous=True, noise=0)
    obs, _info = env.reset(seed=1)
    while True:
        action, _state = learner.predict(obs, deterministic=True)
        obs, _reward, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            return info["sparoa"]["value"] * 1e-6, info["sparoa"]["single"] * 1e-6


before, single = play()
learner.learn(steps)
after, _ = play()
print(f"{model} on {device}: best single processor {single:.3f} ms")
print(f"  PPO of stable-baselines3: untrained {before:.3f} ms, after {steps} decisions {after:.3f} ms")
for row in sparoa.compare(model, device, ["heft", "dp", "greedy"], noise=0, policy_cost=0):
    print(f"  {row['policy']}: {row['latency_ms']:.3f} ms")

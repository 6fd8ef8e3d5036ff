"""The environments for Gymnasium. Run by `make test-python`, where Gymnasium can be had."""

import unittest
import warnings

try:
    import gymnasium
    import numpy as np
    from gymnasium.utils.env_checker import check_env

    from sparoa.gym import SchedulingEnv, SchedulingVectorEnv
except ImportError as fault:
    raise unittest.SkipTest(f"Gymnasium is not there: {fault}")

import sparoa

MODEL, DEVICE = "mobilenet_v3_small", "crossover"


def run(env, seed, pick):
    """One episode; its observations, its reward and its last info."""
    obs, info = env.reset(seed=seed)
    seen, total, ended = [obs], 0.0, False
    while not ended:
        obs, reward, terminated, truncated, info = env.step(pick(info))
        seen.append(obs)
        total += reward
        ended = terminated or truncated
    return seen, total, info


def first(info):
    return int(np.flatnonzero(info["action_mask"])[0])


class One(unittest.TestCase):
    def test_gymnasiums_checker_passes_without_a_warning(self):
        for continuous in (False, True):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                check_env(SchedulingEnv(MODEL, DEVICE, continuous=continuous), skip_render_check=True)

    def test_an_episode_pays_what_it_came_to(self):
        seen, total, info = run(SchedulingEnv(MODEL, DEVICE), 5, first)
        episode = info["sparoa"]
        self.assertEqual(episode["steps"], len(seen) - 1)
        self.assertAlmostEqual(total, -episode["value"] / episode["single"], places=4)

    def test_all_on_the_host_is_what_cpu_only_simulates(self):
        _seen, _total, info = run(SchedulingEnv(MODEL, DEVICE, noise=0), 1, lambda _info: 0)
        row = sparoa.compare(MODEL, DEVICE, "cpu-only", noise=0, policy_cost=0)[0]
        self.assertAlmostEqual(info["sparoa"]["value"] * 1e-6, row["latency_ms"], places=9)

    def test_the_seed_decides_the_episode(self):
        env = SchedulingEnv([MODEL, "resnet18"], DEVICE)
        a, b = run(env, 3, first), run(env, 3, first)
        self.assertEqual(a[1], b[1])
        self.assertTrue(all((x == y).all() for x, y in zip(a[0], b[0])))
        self.assertNotEqual(a[1], run(env, None, first)[1])

    def test_actions_without_meaning_are_errors(self):
        env = SchedulingEnv(MODEL, DEVICE)
        env.reset(seed=1)
        with self.assertRaises(sparoa.Error):
            env.step(7)
        with self.assertRaises(ValueError):
            env.step(-1)

    def test_episodes_may_be_of_several_batches_and_scenarios(self):
        env = SchedulingEnv(MODEL, DEVICE, batch=[1, 8], scenario=["single", "closed"],
                            concurrency=2, requests=4, noise=0)
        found = {(len(seen), round(info["sparoa"]["single"]))
                 for seen, _total, info in (run(env, seed, first) for seed in range(12))}
        self.assertGreater(len(found), 2)

    def test_an_episode_may_be_cut(self):
        seen, _total, info = run(SchedulingEnv(MODEL, DEVICE, max_steps=4), 1, first)
        self.assertEqual(len(seen), 5)
        self.assertTrue(np.isnan(info["sparoa"]["value"]))


class Many(unittest.TestCase):
    def test_they_have_the_spaces_of_gymnasium(self):
        envs = SchedulingVectorEnv(3, MODEL, DEVICE)
        obs, infos = envs.reset(seed=2)
        self.assertIn(obs, envs.observation_space)
        self.assertEqual(infos["action_mask"].shape, (3, 2))
        result = envs.step(envs.action_space.sample())
        self.assertIn(result[0], envs.observation_space)
        self.assertEqual(result[1].shape, (3,))
        self.assertEqual(result[2].dtype, bool)
        envs.close()

    def test_what_ends_is_reset_in_the_same_step(self):
        envs = SchedulingVectorEnv(2, MODEL, DEVICE, max_steps=3)
        before, _infos = envs.reset(seed=2)
        for step in range(1, 7):
            obs, _reward, _terminated, truncated, infos = envs.step(np.zeros(2, int))
            self.assertEqual(truncated.tolist(), [step % 3 == 0] * 2)
            self.assertEqual("final_obs" in infos, step % 3 == 0)
            if step % 3 == 0:  # one model, one device: all episodes begin alike
                self.assertTrue(np.allclose(obs, before))
                self.assertFalse(np.allclose(infos["final_obs"], obs))
        self.assertEqual(envs.episodes()[0]["steps"], 3)

    def test_the_seed_decides_all_of_them(self):
        envs = SchedulingVectorEnv(4, [MODEL, "resnet18"], DEVICE)
        rewards = []
        for _turn in range(2):
            envs.reset(seed=11)
            rewards.append([envs.step(np.zeros(4, int))[1].tolist() for _ in range(300)])
        self.assertEqual(rewards[0], rewards[1])


if __name__ == "__main__":
    unittest.main()

"""Steps a second of the environments that people call from Python, on one core, resets included, under random actions.

Usage: environments.py NAME [--size PIXELS] [--seconds S]     prints one number; NAMES are the keys of ENVIRONMENTS
With --size every step also renders an RGB frame of that many pixels squared.
"""

import argparse
import os
import time
import warnings

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402

# name: (maker, its arguments, the sim of this repository that does the same work or None)
ENVIRONMENTS = {
    "gymnasium InvertedPendulum-v5": ("gymnasium", ("InvertedPendulum-v5",), "cart-pole"),
    "gymnasium Reacher-v5": ("gymnasium", ("Reacher-v5",), "reacher"),
    "gymnasium Pusher-v5": ("gymnasium", ("Pusher-v5",), "cube"),
    "gymnasium Ant-v5": ("gymnasium", ("Ant-v5",), "quadruped"),
    "dm_control cartpole swingup": ("dm_control", ("cartpole", "swingup"), "cart-pole"),
    "dm_control pendulum swingup": ("dm_control", ("pendulum", "swingup"), "pendulum"),
    "dm_control ball_in_cup catch": ("dm_control", ("ball_in_cup", "catch"), "ball-in-cup"),
    "dm_control reacher easy": ("dm_control", ("reacher", "easy"), "reacher"),
    "dm_control quadruped walk": ("dm_control", ("quadruped", "walk"), "quadruped"),
    "stable-worldmodel TwoRoom": ("stable_worldmodel", ("swm/TwoRoom-v1",), "two-room"),
    "stable-worldmodel PushT": ("stable_worldmodel", ("swm/PushT-v1",), "push-t"),
    "stable-worldmodel Reacher": ("stable_worldmodel", ("swm/ReacherDMControl-v0",), "reacher"),
    "stable-worldmodel World TwoRoom": ("world", ("swm/TwoRoom-v1",), "two-room"),
    "stable-worldmodel World PushT": ("world", ("swm/PushT-v1",), "push-t"),
    "stable-worldmodel World Reacher": ("world", ("swm/ReacherDMControl-v0",), "reacher"),
}
ACTIONS = 1024


def gymnasium(name, size):
    """A function that makes one step (and a frame), from a Gymnasium environment."""
    import gymnasium as gym

    arguments = {"render_mode": "rgb_array", "width": size, "height": size} if size else {}
    env = gym.make(name, **arguments)
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(ACTIONS)]

    def step(at):
        _, _, terminated, truncated, _ = env.step(actions[at % ACTIONS])
        if terminated or truncated:
            env.reset()
        if size:
            env.render()

    return step


def stable_worldmodel(name, size):
    import stable_worldmodel  # noqa: F401 (registers its environments)

    if size:
        raise SystemExit("its frames come from World: ask for a World environment")
    return gymnasium(name, size)


def dm_control(domain, task, size):
    from dm_control import suite

    env = suite.load(domain, task, task_kwargs={"random": 0})
    spec, rng = env.action_spec(), np.random.default_rng(0)
    actions = rng.uniform(spec.minimum, spec.maximum, (ACTIONS, *spec.shape))
    env.reset()

    def step(at):
        if env.step(actions[at % ACTIONS]).last():
            env.reset()
        if size:
            env.physics.render(size, size, camera_id=0)

    return step


def rate(step, seconds):
    """Steps a second over that long, after a warm-up."""
    for at in range(20):
        step(at)
    count, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        for at in range(count, count + 20):
            step(at)
        count += 20
    return count / elapsed


def world(name, size, seconds):
    """stable-worldmodel's own way to collect: World with its random policy, which always renders."""
    import stable_worldmodel
    import torch

    torch.set_num_threads(1)
    env = stable_worldmodel.World(name, num_envs=1, image_shape=(size, size), max_episode_steps=100, render_mode="rgb_array")
    env.set_policy(stable_worldmodel.policy.RandomPolicy(seed=0))
    env.reset(seed=0)
    steps, elapsed = 20, 0.0
    env._run(max_steps=steps, seed=0)
    while elapsed < seconds / 2:  # twice as many steps until the run is long enough to be a measure
        steps *= 2
        started = time.perf_counter()
        env._run(max_steps=steps, seed=1)
        elapsed = time.perf_counter() - started
    return steps / elapsed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=ENVIRONMENTS, metavar="NAME")
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    maker, arguments, _ = ENVIRONMENTS[options.name]
    if maker == "world":
        figure = world(*arguments, options.size or 64, options.seconds)
    else:
        figure = rate(globals()[maker](*arguments, options.size), options.seconds)
    print(f"\n{figure}")


if __name__ == "__main__":
    main()

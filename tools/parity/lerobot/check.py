"""Opens a housecat dataset with LeRobot and compares what it reads with the files themselves.

Usage: check.py DATASET    (prints PASS or FAIL lines; exits 1 if a check fails)
"""

import io
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

# The `datasets` library keeps an arrow copy of what it opens; it must not find that of an older dataset.
CACHE = tempfile.TemporaryDirectory()
os.environ["HF_DATASETS_CACHE"] = CACHE.name
os.environ["HF_HUB_OFFLINE"] = "1"

import logging  # noqa: E402

logging.disable(logging.WARNING)  # LeRobot's note on a missing video decoder; there are no videos.

import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import torch  # noqa: E402
from lerobot.datasets.compute_stats import aggregate_stats  # noqa: E402
from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: E402
from PIL import Image  # noqa: E402

FRAMES_CHECKED = 200


class Checks:
    """Everything there is to check, one method each."""

    def __init__(self, root):
        self.root = Path(root)
        self.info = json.loads((self.root / "meta/info.json").read_text())
        self.features = self.info["features"]
        files = sorted(self.root.glob("data/*/*.parquet"))
        self.files = [pq.ParquetFile(file) for file in files]
        self.rows = [row for file in self.files for row in file.read().to_pylist()]
        self.dataset = LeRobotDataset("housecat/parity", root=self.root)
        step = max(1, len(self.rows) // FRAMES_CHECKED)
        self.sample = list(range(0, len(self.rows), step)) + [len(self.rows) - 1]

    def pixels(self, row, key):
        """The image of a row as LeRobot should give it: [3, h, w] in [0, 1]."""
        image = np.asarray(Image.open(io.BytesIO(row[key]["bytes"])))
        return torch.from_numpy(image.copy()).permute(2, 0, 1).to(torch.float32) / 255

    def check_counts(self):
        dataset = self.dataset
        assert dataset.num_frames == len(dataset) == len(self.rows) == self.info["total_frames"]
        assert dataset.num_episodes == self.info["total_episodes"]
        assert dataset.fps == self.info["fps"]
        groups = sum(file.num_row_groups for file in self.files)
        assert groups == dataset.num_episodes, "one row group an episode"
        return f"{len(self.rows)} frames, {groups} episodes"

    def check_frames(self):
        for at in self.sample:
            item, row = self.dataset[at], self.rows[at]
            for key, feature in self.features.items():
                value, shape = item[key], tuple(feature["shape"])
                if feature["dtype"] == "image":
                    height, width, channels = shape
                    assert value.shape == (channels, height, width), (key, value.shape)
                    assert value.dtype == torch.float32, (key, value.dtype)
                    assert torch.equal(value, self.pixels(row, key)), (key, at)
                    continue
                assert value.dtype == getattr(torch, feature["dtype"]), (key, value.dtype)
                assert tuple(value.shape) == (() if shape == (1,) else shape), (key, value.shape)
                want = torch.tensor(row[key], dtype=value.dtype)
                assert torch.equal(value, want), (key, at, value, want)
        return f"{len(self.sample)} frames equal the files, bit for bit"

    def check_tasks(self):
        tasks = self.dataset.meta.tasks
        assert tasks.index.name == "task" and list(tasks.columns) == ["task_index"], tasks
        names = [str(name) for name in tasks.index]
        for at in self.sample:
            item = self.dataset[at]
            assert item["task"] == names[item["task_index"].item()], item["task"]
            episode = self.dataset.meta.episodes[item["episode_index"].item()]
            assert episode["tasks"] == [item["task"]]
        return ", ".join(names[:4])

    def check_episodes(self):
        for at, episode in enumerate(self.dataset.meta.episodes):
            start, stop = episode["dataset_from_index"], episode["dataset_to_index"]
            rows = self.rows[start:stop]
            assert len(rows) == episode["length"] > 0
            assert [row["index"] for row in rows] == list(range(start, stop))
            assert [row["frame_index"] for row in rows] == list(range(len(rows)))
            assert {row["episode_index"] for row in rows} == {at}
            times = [row["timestamp"] for row in rows]
            assert all(a < b for a, b in zip(times, times[1:]))
            assert all(row["next.done"] == (row["next.terminated"] or row["next.truncated"]) for row in rows)
            assert not np.any(rows[-1]["action"]), "the last frame acts"
            path = self.root / self.dataset.meta.get_data_file_path(at)
            assert path.is_file(), path
        return "frames, times and files agree"

    def check_windows(self):
        keys = ["action", *self.dataset.meta.image_keys[:1]]
        deltas = [-1 / self.dataset.fps, 0.0, 1 / self.dataset.fps]
        windows = LeRobotDataset(
            "housecat/parity", root=self.root, delta_timestamps={key: deltas for key in keys}
        )
        for at in self.sample:
            item, row = windows[at], self.rows[at]
            episode = windows.meta.episodes[row["episode_index"]]
            start, stop = episode["dataset_from_index"], episode["dataset_to_index"]
            places = [min(max(at + shift, start), stop - 1) for shift in (-1, 0, 1)]
            padded = [not start <= at + shift < stop for shift in (-1, 0, 1)]
            for key in keys:
                assert item[f"{key}_is_pad"].tolist() == padded, (key, at)
            want = torch.tensor([self.rows[place]["action"] for place in places])
            assert torch.equal(item["action"], want), at
            for key in keys[1:]:
                want = torch.stack([self.pixels(self.rows[place], key) for place in places])
                assert torch.equal(item[key], want), (key, at)
        return f"{len(self.sample)} windows of {', '.join(keys)}"

    def check_selection(self):
        last = self.dataset.num_episodes - 1
        some = LeRobotDataset("housecat/parity", root=self.root, episodes=[last])
        assert len(some) == self.dataset.meta.episodes[last]["length"]
        assert some[0]["episode_index"].item() == last
        return f"episode {last} alone"

    def check_stats(self):
        """Statistics against numpy on the rows, and against LeRobot's own merging of the episodes."""
        stats = self.dataset.meta.stats
        assert set(stats) == set(self.features)
        columns = pq.read_table(self.root / "meta/episodes").to_pylist()
        parts = []
        for episode in columns:
            part = {key: {} for key in self.features}
            for name, value in episode.items():
                if name.startswith("stats/"):
                    _, key, stat = name.split("/")
                    part[key][stat] = np.array(value)
            parts.append(part)
        merged = aggregate_stats(parts)
        for key, feature in self.features.items():
            shape = (3, 1, 1) if feature["dtype"] == "image" else tuple(feature["shape"])
            for stat, value in stats[key].items():
                assert value.shape == ((1,) if stat == "count" else shape), (key, stat, value.shape)
                assert np.allclose(value, merged[key][stat], rtol=1e-12, atol=1e-12), (key, stat)
            if feature["dtype"] == "image":
                values = np.stack([self.pixels(row, key).numpy() for row in self.rows])
                values = values.astype(np.float64).transpose(0, 2, 3, 1).reshape(-1, 3)
            else:
                values = np.array([row[key] for row in self.rows], dtype=np.float64)
                values = values.reshape(len(self.rows), -1)
            for stat in ("min", "max", "mean", "std"):
                want = getattr(values, stat)(axis=0)
                have = stats[key][stat].reshape(-1)
                assert np.allclose(have, want, rtol=1e-6, atol=1e-9), (key, stat, have, want)
            assert stats[key]["count"].item() == len(self.rows)
        return f"{len(stats)} features"

    def check_loader(self):
        loader = torch.utils.data.DataLoader(self.dataset, batch_size=4)
        batch = next(iter(loader))
        assert len(batch["task"]) == min(4, len(self.rows))
        return f"a batch of {len(batch['task'])}"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    failed = False
    checks = Checks(sys.argv[1])
    for name in [name for name in dir(Checks) if name.startswith("check_")]:
        title = name.removeprefix("check_")
        try:
            print(f"PASS {title}: {getattr(checks, name)()}")
        except Exception:
            failed = True
            print(f"FAIL {title}: {traceback.format_exc().strip()}")
    sys.exit(failed)


if __name__ == "__main__":
    main()

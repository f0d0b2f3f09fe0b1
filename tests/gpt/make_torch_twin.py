"""Writes torch_twin.npz, the numbers of PyTorch that the tests compare with: python tests/gpt/make_torch_twin.py"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def main() -> None:
    import torch

    from tests.gpt.torch_twin import torch_run
    from tests.gpt.twin import FILE, SETTINGS, Recipe

    numbers = {
        f"{setting}:{name}": array for setting in SETTINGS for name, array in torch_run(setting, Recipe()).items()
    }
    np.savez_compressed(FILE, **numbers)
    print(f"{FILE.name}: {FILE.stat().st_size} bytes, by PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

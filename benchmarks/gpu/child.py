"""The process of one part: python -m gpu.child MODULE SETTING, a JSON object."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace

from gpu.part import Setting


def main(module: str, given: str) -> None:
    setting = Setting(**json.loads(given))
    answer = importlib.import_module(module).measure(setting)
    setting.keep(replace(answer, finished=True))


if __name__ == "__main__":
    main(*sys.argv[1:])

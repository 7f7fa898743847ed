"""A worker beside the API: how many jobs it takes at once is a setting, which it reads at its start."""

import os
import time


def main() -> None:
    print(f"INFO:worker:takes {os.environ['BATCH']} jobs at once", flush=True)
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main()

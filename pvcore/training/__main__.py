"""`python -m pvcore.training JOB.json`, alone or under a launcher of several processes."""

import sys
from pathlib import Path

from pvcore.training import job

if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: torchrun --nproc-per-node N -m pvcore.training JOB.json")
    job.run(Path(sys.argv[1]))

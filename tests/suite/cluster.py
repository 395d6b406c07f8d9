"""A Ray cluster of several nodes on this machine. Run as a program in a network namespace of its own: Ray listens on all
addresses.

    unshare --net python cluster.py NODES FOLDER COMMAND...

Starts NODES nodes of a single study each, runs COMMAND with the address of the cluster in RAY_ADDRESS, and kills a node as
soon as the file FOLDER/kill exists, all of them when FOLDER/stop does.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from ray.cluster_utils import Cluster

SIOCSIFFLAGS, IFF_UP_AND_RUNNING = 0x8914, 0x41
"""The call of netdevice(7) that sets the flags of a network device, and those of one in use."""


def main() -> int:
    nodes, folder, *command = sys.argv[1:]
    up("lo")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    others = [cluster.add_node(num_cpus=1) for _ in range(int(nodes) - 1)]
    with subprocess.Popen(command, env={**os.environ, "RAY_ADDRESS": cluster.address}) as running:
        while running.poll() is None:
            if others and (Path(folder) / "kill").exists():
                cluster.remove_node(others.pop(), allow_graceful=False)
                (Path(folder) / "kill").unlink()
            if (Path(folder) / "stop").exists():
                (Path(folder) / "stop").unlink()
                cluster.shutdown()
            time.sleep(0.05)
    cluster.shutdown()
    return running.returncode


def up(device: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", device.encode(), IFF_UP_AND_RUNNING))


if __name__ == "__main__":
    sys.exit(main())

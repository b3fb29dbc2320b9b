"""h2load against the gateway; every answer is checked."""

import os
import re
import tempfile

from lib.processes import Failed, Run

SERVICE = "handoff.gateway.v1.HandoffService"


def calls(cluster, token, method, message, connections, streams, count):
    """Sends `count` calls; how many a second were answered, all of them well."""
    before = cluster.answered("gateway", method)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        body = os.path.join(directory, "body")
        with open(body, "wb") as file:
            file.write(message)
        run = Run(
            ["h2load", f"-n{count}", f"-c{connections}", f"-m{streams}", "-t1", "-d", body,
             "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "grpc-timeout: 30S",
             "-H", f"authorization: Bearer {token}", f"https://{cluster.addresses['gateway']}/{SERVICE}/{method}"],
            timeout=3600)
    good = re.search(r"status codes: (\d+) 2xx", run.output)
    answered = cluster.answered("gateway", method) - before
    if not good or int(good.group(1)) != count or answered != count:
        raise Failed(f"{method}: {answered} of {count} calls were answered with OK:\n{run.output}")
    return float(re.search(r"finished in [^,]+, ([\d.]+) req/s", run.output).group(1))

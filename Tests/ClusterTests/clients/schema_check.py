"""Has schemathesis make up requests from the OpenAPI document that a running gateway serves: schema_check.py DIR SECONDS

Whatever it sends, no answer may be a 5xx, or another one than the document says. It signs in as an administrator, and acts
on a service and a ticket that there are."""

import os
import subprocess
import sys
import tempfile

from cluster import API, Cluster, Protos, Report, unique

CARE = "services/care"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# A stream without an end, a body that it cannot make up, and what would take the session away from under the run.
LEFT_OUT = ("WatchTickets", "IngestMessage", "SignOut", "RevokeSession", "SetPassword", "ChangePassword", "DeactivateAgent")


def run(cluster, seconds):
    door = API(Protos(), cluster.addresses["gateway"])
    admin, session = door.sign_in(cluster.sign_ins["jihye.yoon"])
    kind = admin.ListSubmissionTypes({"parent": CARE}).submission_types[0].name
    ticket = admin.CreateTicket({"parent": CARE, "title": unique("schema"), "text": "?", "submissionType": kind}).name
    with tempfile.TemporaryDirectory() as directory:
        config = os.path.join(directory, "schemathesis.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'[parameters]\n"path.service" = "care"\n"path.ticket" = "{ticket.split("/")[-1]}"\n')
            # The edge itself answers what is no method of HTTP/1.1 that it knows.
            file.write('[phases.coverage]\nunexpected-methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]\n')
        command = [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "--no-color", "--config-file", config, "run",
                   f"http://{cluster.edge}/openapi.json", "--checks", CHECKS, "--max-time", seconds,
                   "--phases", "examples,coverage,fuzzing", "-H", f"Authorization: Bearer {session.token}",
                   "--warnings", "off", "--suppress-health-check", "all", "--request-timeout", "60", "-n", "20"]
        for name in LEFT_OUT:
            command += ["--exclude-operation-id", name]
        done = subprocess.run(command, capture_output=True, text=True, cwd=directory)
    print("\n".join("# " + line for line in done.stdout.splitlines()[-25:]))
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert admin.GetMe().name == session.agent.name


def main():
    cluster = Cluster(sys.argv[1])
    Report().row("no answer outside the document, and no 5xx", run, cluster, sys.argv[2])


main()

"""Answers that wait in the outbox, handed to smtp-sink by two daemons; smtp-source hands over as many of that size."""

import json
import os
import re
import subprocess
import tempfile
import time

from lib.processes import Failed, Run
from mail import postfix
from mail.place import Sink
from tickets.acts import Actor
from tickets.calls import gateway

UNDER_WAY = 32
TEXT = ("The carrier has found your parcel. It was left with a neighbour on the second floor, who is at home tonight.\n"
        "If it is not there, please write again and we will send the shoes once more at no cost.\n")


def _waiting(postgres):
    return int(postgres.sql("SELECT count(*) FROM handoff.outbox WHERE topic = 'MAIL' AND dead_time IS NULL"))


def _make(place, count):
    """Tickets with an answer each, whose orders are due at no time."""
    cluster, postgres = place.cluster, place.postgres
    postgres.sql("""
        CREATE FUNCTION handoff.park() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN NEW.due_time := 'infinity'; RETURN NEW; END $$;
        CREATE TRIGGER park BEFORE INSERT ON handoff.outbox FOR EACH ROW WHEN (NEW.topic = 'MAIL')
          EXECUTE FUNCTION handoff.park()""")
    actor = Actor(cluster, postgres)
    kind = postgres.sql("SELECT min(id) FROM handoff.submission_type WHERE service_id = 1 AND is_active").strip()
    agent, group = postgres.sql(
        "SELECT m.agent_id, m.group_id FROM handoff.group_member AS m JOIN handoff.service_member AS s"
        " ON s.service_id = m.service_id AND s.agent_id = m.agent_id WHERE m.service_id = 1 AND s.is_assignable"
        " AND s.has_ticket_right ORDER BY 1, 2 LIMIT 1").strip().split("|")
    body = {"channel": "PHONE", "submissionType": f"services/care/submissionTypes/{kind}",
            "title": "Where is my parcel?", "text": "I ordered shoes a week ago. Where are they?", "language": "en",
            "agent": f"agents/{agent}", "group": f"services/care/groups/{group}",
            "customer": {"displayName": "Alice Turner", "email": "alice.turner@example.com"}}
    cluster.json("/v1/services/care/tickets", body, actor.token)
    last = int(postgres.sql("SELECT max(id) FROM handoff.ticket"))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        data = os.path.join(directory, "body")
        with open(data, "w") as file:
            json.dump(body, file)
        run = Run(["h2load", f"-n{count}", "-c1", f"-m{UNDER_WAY}", "-t1", "-d", data, "-H",
                   "content-type: application/json", "-H", f"authorization: Bearer {actor.token}",
                   f"{gateway(cluster)}/v1/services/care/tickets"], timeout=3600)
    if not re.search(rf"status codes: {count} 2xx", run.output):
        raise Failed(f"creating tickets: {run.output}")
    ids = postgres.sql(f"SELECT id FROM handoff.ticket WHERE service_id = 1 AND id > {last} ORDER BY id").split()
    actor.check("process", {"act": "HOLD", "text": TEXT}, ids[0])
    good, refused, _ = actor.send("process", {"act": "RESOLVE", "text": TEXT}, ids, UNDER_WAY)
    if refused or good != count:
        raise Failed(f"{refused} of {count} answers were refused")
    # The trial's own.
    postgres.sql(f"DELETE FROM handoff.outbox WHERE topic = 'MAIL' AND ticket_id = {ids[0]} AND id = (SELECT min(id)"
                 f" FROM handoff.outbox WHERE topic = 'MAIL' AND ticket_id = {ids[0]})")
    postgres.sql("DROP TRIGGER park ON handoff.outbox; DROP FUNCTION handoff.park()")


def _release(postgres, limit):
    """Makes orders due; their number, and the database's time then, in seconds since 1970."""
    return postgres.sql(f"""
        WITH chosen AS (
          SELECT id FROM handoff.outbox WHERE topic = 'MAIL' AND due_time = 'infinity' ORDER BY id LIMIT {limit}),
        due AS (UPDATE handoff.outbox SET due_time = clock_timestamp() WHERE id IN (SELECT id FROM chosen) RETURNING 1)
        SELECT count(*), extract(epoch FROM clock_timestamp()), pg_notify('handoff_outbox_mail', '') FROM due
        """).strip().split("|")[:2]


def _until_sent(postgres, wanted):
    end = time.monotonic() + 600
    while _waiting(postgres) > wanted:
        if time.monotonic() > end:
            raise Failed("the mails did not leave within ten minutes")
        time.sleep(0.5)


def _size(place, count):
    """Bytes of one mail as smtp-sink keeps it."""
    directory = os.path.join(place.place, "mails")
    os.mkdir(directory, 0o777)
    os.chmod(directory, 0o777)
    sink = Sink(place.port, directory)
    try:
        _release(place.postgres, 1)
        _until_sent(place.postgres, count - 1)
        return max(os.path.getsize(os.path.join(directory, name)) for name in os.listdir(directory))
    finally:
        sink.stop()


def _peer(port, count, size, sessions=8):
    """Mails a second by smtp-source, and the CPU of one in microseconds."""
    run = Run(
        [postfix.program("smtp-source"), "-d", "-s", str(sessions), "-m", str(count), "-l", str(size), "-f",
         "care@example.com", "-t", "alice.turner@example.com", f"127.0.0.1:{port}"], 600, postfix.environment())
    return count / run.seconds, run.cpu_seconds * 1e6 / count


def measure(place, count, rounds):
    """Rows of the table, one for each round."""
    each = count // rounds
    _make(place, each * rounds + 1)
    size = _size(place, each * rounds + 1)
    postgres, cluster, rows = place.postgres, place.cluster, []
    sink = Sink(place.port)
    try:
        for turn in range(rounds):
            theirs, their_cpu = _peer(place.port, each, size)
            before, database, taker = cluster.cpu(), postgres.cpu_seconds(), sink.cpu_seconds()
            released, began = _release(postgres, each)
            _until_sent(postgres, each * (rounds - turn - 1))
            ended = postgres.sql("SELECT extract(epoch FROM max(send_time)) FROM handoff.mail_message").strip()
            ours = int(released) / (float(ended) - float(began))
            after = cluster.cpu()
            cost = {name: (after[name] - before.get(name, 0)) * 1e6 / each for name in after}
            base = (postgres.cpu_seconds() - database) * 1e6 / each
            rows.append((ours, theirs, cost["handoff-mail"], base, (sink.cpu_seconds() - taker) * 1e6 / each, their_cpu,
                         cluster.mail_mb()))
            print(f"  out {turn + 1}/{rounds}: {ours:,.0f} mails a second, {cost['handoff-mail']:,.0f} + {base:,.0f} "
                  f"µs; smtp-source {theirs:,.0f}, {their_cpu:,.0f} µs", flush=True)
        sent = int(postgres.sql("SELECT count(*) FROM handoff.ticket_event WHERE code = 'MAIL_SENT'"))
        if sent != each * rounds + 1:
            raise Failed(f"{sent} mails were sent, and not {each * rounds + 1}")
    finally:
        sink.stop()
    return size, rows

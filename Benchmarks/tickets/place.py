"""A PostgreSQL with so many tickets and a cluster on it, in a directory that goes away with them."""

import os
import re
import shutil
import subprocess
import tempfile

from cluster.installation import Cluster, Postgres
from lib.processes import Failed


class Seeded(Cluster):
    """A cluster whose organization has generated tickets."""

    def __init__(self, programs, postgres, place, count):
        self.count, self.said = count, ""
        super().__init__(programs, postgres, place)

    def seed(self, programs, environment, postgres):
        done = subprocess.run(
            [os.path.join(programs, "handoff"), "seed", "--data", self.data, "--tickets", str(self.count)],
            env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failed(f"handoff seed: {done.stdout[-3000:]}")
        self.said = done.stdout
        # Assignment would take the tickets that are to be kept; what triggers cost is told by `scripts/bench cluster`.
        postgres.sql("UPDATE handoff.trigger_rule SET is_active = false")


class Place:
    """Both, for a `with` block."""

    def __init__(self, programs, count):
        self._programs, self.count = programs, count
        self.place = tempfile.mkdtemp(prefix="handoff-bench-", dir="/tmp")
        os.chmod(self.place, 0o755)
        self.postgres = self.cluster = None

    def __enter__(self):
        try:
            self.postgres = Postgres(self.place)
            self.cluster = Seeded(self._programs, self.postgres, self.place, self.count)
            self.postgres.settle()
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def loaded(self):
        """Pairs of what and how much."""
        said = self.cluster.said
        found = [("tickets a second", re.search(r"([\d]+) tickets/s", said).group(1)),
                 ("building the indexes", re.search(r"indexes built in ([\d.]+ s)", said).group(1))]
        for label, what in (("rows of the index of texts", "pg_table_size('handoff.ticket_search')"),
                            ("their index", "pg_relation_size('handoff.ticket_search_tokens_idx')"),
                            ("their key", "pg_relation_size('handoff.ticket_search_pkey')"),
                            ("the whole database", "pg_database_size('handoff')")):
            size = int(self.postgres.sql(f"SELECT {what}"))
            found.append((label, f"{size / self.count:,.0f} bytes a ticket"))
        return found

    def __exit__(self, *_):
        if self.cluster:
            self.cluster.stop()
        if self.postgres:
            self.postgres.stop()
        shutil.rmtree(self.place, ignore_errors=True)

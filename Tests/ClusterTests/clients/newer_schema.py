"""Makes the schema look as many migrations newer than the programs as asked: newer_schema.py DIR COUNT"""

import sys

from cluster import Cluster, Report

NEWER = """
  DELETE FROM schema_migration WHERE owner = 'Future';
  INSERT INTO schema_migration (version, owner, name, checksum)
  SELECT 100000 + number, 'Future', 'from_the_future', repeat('0', 64) FROM generate_series(1, {}) AS number
"""


def main():
    cluster, report, count = Cluster(sys.argv[1]), Report(), int(sys.argv[2])
    report.row(f"the schema is {count} newer", cluster.sql, NEWER.format(count))


main()

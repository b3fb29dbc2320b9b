"""Tells every original under a mask, a row each, and that every history is intact: reveal_everything.py DIR"""

import sys

from cluster import API, Cluster, Protos

MASKS = """
  SELECT 'services/' || s.code || '/tickets/' || m.owner_ticket_id || '/masks/' || m.mask_id
  FROM mask_place m JOIN service s ON s.id = m.service_id WHERE m.number = 0 AND m.is_on ORDER BY m.mask_id
"""
# Deleted spam is not found any more.
TICKETS = """
  SELECT 'services/' || s.code || '/tickets/' || t.id
  FROM ticket t JOIN service s ON s.id = t.service_id WHERE t.delete_time IS NULL
"""


def main():
    cluster = Cluster(sys.argv[1])
    admin, _ = API(Protos(), cluster.addresses["gateway"]).sign_in(cluster.sign_ins["jihye.yoon"])
    for [mask] in cluster.sql(MASKS):
        print(f"ok {mask} {admin.RevealMask({'name': mask, 'reason': 'a test'}).text}")
    tickets = cluster.sql(TICKETS)
    broken = [ticket for [ticket] in tickets if not admin.VerifyHistory({"name": ticket}).intact]
    print(f"ok {len(tickets)} histories, broken ones: {broken}")


main()

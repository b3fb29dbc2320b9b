"""Tells what an administrator finds in the cluster, a row for each ticket: list_everything.py DIR"""

import sys

from cluster import API, Cluster, Protos


def main():
    cluster = Cluster(sys.argv[1])
    admin, _ = API(Protos(), cluster.edge).sign_in(cluster.sign_ins["jihye.yoon"])
    for service in admin.ListServices().services:
        page_token = ""
        while True:
            page = admin.ListTickets({"parent": service.name, "pageSize": 200, "pageToken": page_token})
            for ticket in page.tickets:
                print(f"ok {ticket.name} {ticket.state} {ticket.version} {ticket.agent}")
            page_token = page.next_page_token
            if not page_token:
                break


main()

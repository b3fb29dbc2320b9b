"""scripts/bench mail: answers to a mail server, and customers' mails to tickets, with two copies of handoff-mail.

out  answers that wait in the outbox are written from their tickets, handed to Postfix's smtp-sink and noted on the
     tickets; smtp-source hands over as many mails of the same size in turns, which is the limit of the sink
in   customers' mails are handed over at the edge, 32 at a time, sealed, read and made tickets; pgbench writes the same
     rows in as many transactions in turns
"""

import argparse
import os
import sys

from cluster.installation import build
from lib.machine import Machine, package
from lib.processes import Failed
from lib.tables import median, table
from mail import inbound, outbound, postfix
from mail.place import MAIL_COPIES, Place

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARTS = ("out", "in")
SHOWN = ("handoff-gateway", "handoff-mail", "handoff-masking", "handoff-tickets")


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench mail", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=int, default=10_000, help="answers in all (default 10,000)")
    parser.add_argument("--in", type=int, default=5_000, dest="mails", help="customers' mails in all (default 5,000)")
    parser.add_argument("--rounds", type=int, default=2, help="turns of ours and of the peer (default 2)")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--programs", metavar="DIR", help="release builds to measure, instead of building them")
    return parser.parse_args()


def report_out(size, rows):
    numbers = [median(values) for values in zip(*rows)]
    ours, theirs, mail, base, taker, their_cpu, memory = numbers
    return (
        f"Out: mails of {size:,} bytes, {MAIL_COPIES} copies of handoff-mail; medians.\n\n" + table(
            ["mails a second", "smtp-source", "ratio", "CPU µs: handoff-mail", "PostgreSQL", "smtp-sink",
             "smtp-source's own", "MB of a handoff-mail"],
            [[ours, theirs, median(row[0] / row[1] for row in rows), mail, base, taker, their_cpu, memory]]))


def report_in(rows):
    shares = [median(row[2].get(name, 0) for row in rows) for name in SHOWN]
    title = f"In: mails of two parts, {inbound.CLIENTS} under way, {MAIL_COPIES} copies of handoff-mail; medians.\n\n"
    return (
        title + table(
            ["mails a second", "pgbench", "ratio", *(f"CPU µs: {name}" for name in SHOWN), "PostgreSQL",
             "pgbench and its PostgreSQL", "MB of a handoff-mail"],
            [[median(row[0] for row in rows), median(row[1] for row in rows), median(row[0] / row[1] for row in rows),
              *shares, *(median(row[place] for row in rows) for place in (3, 4, 5))]]))


def main():
    options = arguments()
    parts = options.part or PARTS
    machine = Machine(ROOT)
    programs = os.path.abspath(options.programs) if options.programs else build(ROOT)
    sections = []
    print("Measuring:", flush=True)
    with Place(programs) as place:
        if "out" in parts:
            sections.append(report_out(*outbound.measure(place, options.out, options.rounds)))
        if "in" in parts:
            sections.append(report_in(inbound.measure(place, options.mails, options.rounds)))
    print()
    versions = [("PostgreSQL", package("postgresql-15")), ("Postfix", postfix.version())]
    print("\n\n".join([machine.describe(versions), *sections]))


try:
    os.chdir(ROOT)
    main()
except Failed as failure:
    sys.exit(f"scripts/bench mail: {failure}")

"""What must hold after the harm: the acknowledged acts, recounted from the database, the API and the spool."""

import collections
import concurrent.futures
import json
import re

from actors import CARE, TECH
from cluster import eventually

# Events of acts; the others follow from them.
ACT_CODES = {
    "CREATED", "KEPT", "FORWARDED", "HELD", "RESOLVED", "COMMENTED", "RESOLVED_INTERNALLY", "COMPLETED", "MASKED",
    "UNMASKED"}


class Verdicts:
    """Checks one run: `run` is the word in which all its titles begin."""

    def __init__(self, cluster, door, staff, book, run, by_smtp=False):
        self.by_smtp = by_smtp
        self.cluster, self.door, self.staff, self.book, self.run = cluster, door, staff, book, run
        self.events_read = 0

    def settled(self):
        """Nothing is waiting in the outbox, and nothing was given up.

        Callbacks aside, which wait for receivers of others: for days, if those are away.
        """
        def over():
            rows = self.cluster.sql(
                "SELECT topic, dead_reason FROM outbox WHERE dead_time IS NOT NULL AND topic <> 'CALLBACKS'")
            assert not rows, f"given up: {rows}"
            return self.cluster.sql("SELECT count(*) FROM outbox WHERE topic <> 'CALLBACKS'") == [["0"]]

        eventually("the end of the outbox's work", over)
        # From here on nothing changes any more.
        self.rows = {}
        self.events = collections.defaultdict(list)
        query = f"FROM ticket WHERE title LIKE '{self.run}-%'"
        for service, id_, title, state, agent, version in self.cluster.sql(
                f"SELECT service_id, id, title, state, coalesce(agent_id, 0), version {query}"):
            self.rows.setdefault(title, []).append((int(id_), state, int(agent), int(version)))
        for id_, sequence, code, kind, actor, changes in self.cluster.sql(
                "SELECT e.ticket_id, e.sequence, e.code, e.actor_kind, e.actor_name, e.changes FROM ticket_event AS e"
                f" JOIN ticket AS t ON t.service_id = e.service_id AND t.id = e.ticket_id"
                f" WHERE t.title LIKE '{self.run}-%' ORDER BY e.ticket_id, e.sequence"):
            self.events[int(id_)].append((int(sequence), code, kind, actor, json.loads(changes)))
            self.events_read += 1

    @staticmethod
    def id(ticket):
        return int(ticket.name.rsplit("/", 1)[1])

    def acts(self):
        """Every acknowledged act is there once, and none that was not acknowledged."""
        titles = sorted(ticket.title for ticket in self.book.tickets)
        found = sorted(title for title, rows in self.rows.items() for _ in rows)
        assert found == titles, f"{len(found)} tickets for {len(titles)} creations: {difference(found, titles)}"
        wrong = []
        for ticket in self.book.tickets:
            events = self.events[self.id(ticket)]
            there = sorted((code, actor) for _, code, _, actor, _ in events if code in ACT_CODES)
            if there != sorted(ticket.acts):
                wrong.append(f"{ticket.name}: {there} for {sorted(ticket.acts)}")
        assert not wrong, summary(wrong)
        keys = self.cluster.sql(f"SELECT count(*) FROM idempotency_key WHERE request_id LIKE '{self.run}-%'")
        assert keys == [[str(self.book.request_ids)]], f"{keys} request ids for {self.book.request_ids} acts"

    def texts(self):
        """Every text that was acknowledged stands once in the history."""
        rows = self.cluster.sql(
            "SELECT e.ticket_id, replace(split_part(e.body, '.', 1), E'\\n', ' ') FROM ticket_entry AS e"
            " JOIN ticket AS t ON t.service_id = e.service_id AND t.id = e.ticket_id"
            f" WHERE t.title LIKE '{self.run}-%'")
        found = sorted((int(id_), mark) for id_, mark in rows)
        wanted = sorted((self.id(ticket), mark) for ticket in self.book.tickets for mark in ticket.marks)
        assert found == wanted, difference(found, wanted)

    def holders(self):
        """The history of each ticket leads from holder to holder and state to state without a break."""
        wrong = []
        for ticket in self.book.tickets:
            (id_, state, agent, version), = self.rows[ticket.title]
            folded = {"state": None, "agent": ""}
            for expected, (sequence, code, _, actor, changes) in enumerate(self.events[id_], 1):
                if sequence != expected:
                    wrong.append(f"{ticket.name}: event {sequence} where {expected} should be")
                if code == "KEPT" and folded["agent"]:
                    wrong.append(f"{ticket.name}: kept while {folded['agent']} held it")
                for change in changes:
                    field = change["field"]
                    if field not in folded:
                        continue
                    before = change.get("before", "")
                    if folded[field] is not None and before != folded[field]:
                        wrong.append(f"{ticket.name}: event {sequence} changes {before}, it was {folded[field]}")
                    folded[field] = change.get("after", "")
            holder = str(agent or "")
            if folded["state"] != state or folded["agent"] != holder:
                wrong.append(f"{ticket.name}: {state} held by {holder}, by its history {folded}")
            if ticket.version > version or (ticket.state != state and ticket.state != "UNASSIGNED"):
                wrong.append(f"{ticket.name}: {state} {version}, acknowledged {ticket.state} {ticket.version}")
            assigned = sum(code == "ASSIGNED" for _, code, _, _, _ in self.events[id_])
            kept = any(code in ("KEPT", "FORWARDED") for _, code, _, _, _ in self.events[id_])
            if ticket.service == CARE and (assigned > 1 or assigned == 0 and not kept):
                wrong.append(f"{ticket.name}: given out {assigned} times by the triggers")
        assert not wrong, summary(wrong)

    def mails(self):
        """Every mail that should exist exists once: as a file, as a row that was sent, and in the history."""
        wanted = sorted(mark for ticket in self.book.tickets for mark in ticket.mails)
        pattern = re.compile(rf"{re.escape(self.run)}-\w+-\d+")
        spooled = []
        texts = {}
        self.repeated_count = 0
        for mail in self.cluster.mails_to(f"{self.run}-"):
            text = mail.get_body(("plain",)).get_content()
            identity = str(mail["Message-ID"]).strip("<>")
            if identity in texts:
                # A server that was cut off before it said that it has a mail gets it again, and knows it by its name
                # (RFC 5321 §4.5.4.1 and §6.1); a file is written once.
                assert self.by_smtp and texts[identity] == text, f"{identity} is there twice"
                self.repeated_count += 1
                continue
            texts[identity] = text
            # The text quotes the title of the ticket, too.
            title = re.match(pattern, str(mail["To"]).split("<")[-1]).group(0)
            spooled += [mark for mark in dict.fromkeys(pattern.findall(text)) if mark != title]
        assert sorted(spooled) == wanted, f"spool: {difference(sorted(spooled), wanted)}"
        rows = self.cluster.sql(
            "SELECT m.message_id, m.state FROM mail_message AS m JOIN ticket AS t ON t.service_id = m.service_id"
            f" AND t.id = m.ticket_id WHERE t.title LIKE '{self.run}-%'")
        assert sorted(id_ for id_, _ in rows) == sorted(texts), "the mails are not those that mail says it sent"
        assert all(state == "SENT" for _, state in rows), [row for row in rows if row[1] != "SENT"][:5]
        for ticket in self.book.tickets:
            sent = sum(code == "MAIL_SENT" for _, code, _, _, _ in self.events[self.id(ticket)])
            assert sent == len(ticket.mails), f"{ticket.name}: {sent} sent for {len(ticket.mails)} answers"
        self.mail_count = len(wanted)

    def chains(self):
        """The event chains verify, those of the demo's tickets too."""
        names = [ticket.name for ticket in self.book.tickets]
        for code in ("care", "tech"):
            names += [f"services/{code}/tickets/{id_}" for id_, in self.cluster.sql(
                "SELECT t.id FROM ticket AS t JOIN service AS s ON s.id = t.service_id"
                f" WHERE s.code = '{code}' AND t.title NOT LIKE '{self.run}-%' ORDER BY t.id LIMIT 50")]

        def verify(name):
            return self.door.call("VerifyHistory", {"name": name}, self.staff.tokens[self.staff.admin], 60)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for name, verdict in zip(names, pool.map(verify, names)):
                assert verdict.intact, f"{name}: {verdict.finding} at {verdict.first_bad_sequence}"
        self.chain_count = len(names)

    def watched(self, watchers):
        """Who watched a service, across all that ended in between, was told of each event of its tickets once, in order."""
        wanted = {ticket.name: len(self.events[self.id(ticket)]) for ticket in self.book.tickets}
        for watcher in watchers:
            names = [name for name in wanted if name.startswith(watcher.service + "/")]

            def complete():
                assert not watcher.problem, watcher.problem
                return all(len(watcher.events[name]) >= wanted[name] for name in names)

            eventually(f"all that {watcher.name} is to be told", complete)
            wrong = [
                f"{name}: {watcher.events[name]} for {wanted[name]} events" for name in names
                if watcher.events[name] != list(range(1, wanted[name] + 1))]
            assert not wrong, summary(wrong)
            assert len(set(watcher.ids)) == len(watcher.ids), f"{watcher.name} was told something twice"

    def counters(self):
        """The counters of the services and of each agent equal a recount."""
        for service in (CARE, TECH):
            for mailbox in {self.staff.boxes[agent] for agent, _ in self.staff.members[service]}:
                # The day's edge may lie between the two readings; then both are read again.
                eventually(f"equal counters of {mailbox} in {service}", lambda: self.counted(
                    service, mailbox) == self.recounted(service, mailbox))

    def counted(self, service, mailbox):
        told = self.door.call("GetCounters", {"parent": service}, self.staff.tokens[mailbox], 60)
        name = type(told.state_counts.add()).DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number
        del told.state_counts[-1]
        return (
            told.received_today, told.unassigned_today, told.unassigned_total,
            {name[row.state].name: row.count for row in told.state_counts if row.count},
            {name[row.state].name: row.count for row in told.my_state_counts if row.count})

    def recounted(self, service, mailbox):
        code, agent = service.split("/")[1], self.staff.names[mailbox].split("/")[1]
        (zone, id_), = self.cluster.sql(f"SELECT time_zone, id FROM service WHERE code = '{code}'")
        (today, free_today, free), = self.cluster.sql(
            f"SELECT count(*) FILTER (WHERE create_time >= today),"
            f" count(*) FILTER (WHERE create_time >= today AND agent_id IS NULL),"
            f" count(*) FILTER (WHERE agent_id IS NULL) FROM ticket,"
            f" (SELECT date_trunc('day', now() AT TIME ZONE '{zone}') AT TIME ZONE '{zone}' AS today) AS edge"
            f" WHERE service_id = {id_} AND NOT is_spam")
        states = self.cluster.sql(
            f"SELECT state, count(*), count(*) FILTER (WHERE agent_id = {agent}) FROM ticket"
            f" WHERE service_id = {id_} AND NOT is_spam GROUP BY state")
        return (
            int(today), int(free_today), int(free), {state: int(all_) for state, all_, _ in states},
            {state: int(mine) for state, _, mine in states if int(mine)})


def difference(found, wanted):
    found, wanted = collections.Counter(found), collections.Counter(wanted)
    return f"too many: {list((found - wanted).elements())[:5]}, missing: {list((wanted - found).elements())[:5]}"


def summary(lines):
    return "\n".join(lines[:10] + ([f"and {len(lines) - 10} more"] if len(lines) > 10 else []))

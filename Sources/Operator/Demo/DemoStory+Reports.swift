import HandoffAPI

extension DemoStory {
  /// The counters that the demo compares, through the edge.
  struct CounterReply: Decodable {
    struct StateCount: Decodable {
      let state: String
      let count: String
    }
    let receivedToday: String?
    let unassignedTotal: String?
    let stateCounts: [StateCount]?

    subscript(state: String) -> Int { stateCounts?.first { $0.state == state }.flatMap { Int($0.count) } ?? 0 }
  }

  func counters(_ reader: Person) async throws -> CounterReply {
    try await client.json("GET", "/v1/\(service)/counters", token: reader.token, as: CounterReply.self)
  }

  /// Lists of both agents hold the tickets where they belong.
  func readLists(_ ticket: Ticket, _ second: Ticket, _ resolver: Person) async throws {
    step("The lists show it")
    let resolved = try await list(.myResolved, resolver)
    try expect(
      resolved.contains { $0.name == ticket.name }, "\(ticket.name) is not among the resolver's resolved tickets")
    show(
      "HandoffService.ListTickets  MY_RESOLVED of \(resolver.agent.displayName) → \(resolved.count),"
        + " \(ticket.name) among them"
    )
    let all = try await list(.all, resolver)
    try expect(all.first.map(\.name) == second.name, "the newest ticket of the service is not \(second.name)")
    show("HandoffService.ListTickets  ALL → the newest first:")
    for ticket in all.prefix(5) {
      show(
        "  \(padded(ticket.name, 28)) \(padded(ticket.state.protoName ?? "?", 12))"
          + " \(ticket.agentDisplayName)  \(ticket.title)"
      )
    }
    // Tickets of the demo data have histories as whole as this one.
    if let older = all.last {
      let proof = try await client.api.verifyHistory(VerifyHistoryRequest(name: older.name), options(resolver))
      try expect(proof.intact, "the event chain of \(older.name) is not intact: \(proof.finding)")
    }
    let unassigned = try await list(.unassigned, resolver)
    try expect(unassigned.allSatisfy { $0.agent.isEmpty }, "a ticket among the unassigned ones has a holder")
  }

  /// Its words are found wherever they stand, and by their initial consonants.
  func search(_ ticket: Ticket, _ reader: Person) async throws {
    step("A search finds it, from one syllable on")
    for words in ["카드 결제", "결", "ㅇㅇㅍ"] {
      let found = try await client.api.searchTickets(
        SearchTicketsRequest(parent: service, words: words, pageSize: 200), options(reader)
      ).tickets
      try expect(found.contains { $0.name == ticket.name }, "\(ticket.name) is not found by \(words)")
      show("HandoffService.SearchTickets  \(padded(words, 8)) → \(found.count), \(ticket.name) among them")
    }
  }

  private func list(_ menu: ListTicketsRequest.Menu, _ reader: Person) async throws -> [Ticket] {
    try await client.api.listTickets(
      ListTicketsRequest(parent: service, menu: menu, pageSize: 50), options(reader)
    ).tickets
  }

  /// One ticket more is resolved, one more is being processed.
  func compareCounters(_ before: CounterReply, _ reader: Person) async throws {
    step("The counters show it (JSON through the edge)")
    let after = try await counters(reader)
    show("GET \(client.edge)/v1/\(service)/counters")
    show("→ received today \(before.receivedToday ?? "0") → \(after.receivedToday ?? "0")")
    for (state, difference) in [("RESOLVED", 1), ("PROCESSING", 1), ("PENDING", 0), ("UNASSIGNED", 0)] {
      show("  \(padded(state, 12)) \(before[state]) → \(after[state])")
      try expect(
        after[state] - before[state] == difference,
        "\(state) went from \(before[state]) to \(after[state]) (did somebody else work meanwhile?)")
    }
  }

  private struct EventReply: Decodable {
    struct Event: Decodable {
      let sequence: Int
      let code: String
      let actor: Actor
      let createTime: String
      let changes: [Change]?
    }
    struct Actor: Decodable {
      let kind: String
      let name: String?
      let displayName: String?
    }
    struct Change: Decodable {
      let field: String
      let before: String?
      let after: String?
    }
    let events: [Event]
  }

  /// The events tell who did what and when, and their chain is whole.
  func readEvents(
    _ ticket: Ticket, _ holder: Person, _ resolver: Person, _ rotation: (trigger: String, AssignResult),
    _ administrator: Person
  ) async throws {
    step("The event history tells who did what, and when (JSON through the edge)")
    let path = "/v1/\(ticket.name)/events"
    show("GET \(client.edge)\(path)")
    let events = try await client.json("GET", path, token: resolver.token, as: EventReply.self).events
    for event in events {
      let who = event.actor.displayName.flatMap { $0.isEmpty ? nil : $0 } ?? event.actor.name ?? event.actor.kind
      let what = (event.changes ?? []).filter { $0.field == "state" || $0.field == "agent" }
        .map { "\($0.field): \($0.before ?? "") → \($0.after ?? "")" }.joined(separator: ", ")
      show("\(event.sequence)  \(event.createTime)  \(padded(event.code, 13)) \(event.actor.kind) \(who)  \(what)")
    }
    try expect(events.map(\.sequence) == Array(1...max(1, events.count)), "the events' numbers have gaps")
    try expect(
      events.allSatisfy { !$0.createTime.isEmpty && !$0.actor.kind.isEmpty }, "an event names no time or actor")
    let told = events.map(\.code)
    for code in ["CREATED", "ASSIGNED", "MASKED", "HELD", "FORWARDED", "RESOLVED", "UNMASKED"] {
      try expect(told.contains(code), "there is no \(code) among the events")
    }
    try expect(told.filter { $0 == "MAIL_SENT" }.count == 2, "the two mails are not among the events")
    let actors = [("ASSIGNED", rotation.trigger), ("MASKED", holder.name), ("RESOLVED", resolver.name)]
    for (code, name) in actors {
      let actor = events.first { $0.code == code }?.actor.name ?? ""
      try expect(actor == name, "\(code) was done by \(actor), not by \(name)")
    }
    let proof = try await client.api.verifyHistory(VerifyHistoryRequest(name: ticket.name), options(administrator))
    try expect(proof.intact, "the event chain is not intact: \(proof.finding)")
    try expect(Int(proof.eventCount) == events.count, "\(proof.eventCount) events were verified, not \(events.count)")
    show("HandoffService.VerifyHistory → intact, \(proof.eventCount) events")
  }
}

import HandoffAPI

extension DemoStory {
  /// A mask reaches the stored copy of a mail that was sent, its original can be seen once, and everything comes back.
  func maskSentWords(of ticket: Ticket, _ resolver: Person) async throws {
    step("\(resolver.agent.displayName) masks words that were mailed, looks at them once, and brings them back")
    let entries = try await client.api.listEntries(ListEntriesRequest(parent: ticket.name), options(resolver)).entries
    guard let reply = entries.last(where: { $0.kind == .reply }) else { throw DemoFailure("the ticket has no reply") }
    let words = String(reply.text.prefix(12))
    let before = try await mailTexts(ticket, resolver)
    let response = try await client.api.createMasks(
      CreateMasksRequest(
        parent: ticket.name,
        spans: [TextSpan(entry: reply.name, start: 0, length: Int32(words.unicodeScalars.count))]), options(resolver))
    guard let mask = response.masks.first else { throw DemoFailure("no mask came back") }
    let masked = try await mailTexts(ticket, resolver)
    show("CreateMasks → the stored copy of the mail now reads:")
    show(masked.last.map { String($0.prefix { $0 != "\n" }) } ?? "")
    try expect(before.contains { $0.contains(words) }, "no mail held the words")
    try expect(!masked.contains { $0.contains(words) }, "a stored mail still shows the words")
    let events = try await client.api.listEvents(
      ListEventsRequest(parent: ticket.name, pageSize: 200), options(resolver)
    ).events
    let left = events.last { $0.code == "MASKED" }?.changes.filter { $0.field == "left_before" } ?? []
    try expect(!left.isEmpty, "the event does not say that the mail had left")
    show("The event says what had left before: \(left.map(\.after).joined(separator: ", "))")
    let original = try await client.api.revealMask(
      RevealMaskRequest(name: mask.name, reason: "문의 내용 확인"), options(resolver)
    ).text
    show("RevealMask → \(original)")
    try expect(original == words, "another original was shown")
    _ = try await client.api.unmaskText(
      UnmaskTextRequest(name: mask.name, reason: "가릴 필요가 없음"), options(resolver))
    try expect(try await mailTexts(ticket, resolver) == before, "the mails are not as they were")
    show("UnmaskText → every copy is as it was, byte for byte")
  }

  /// Administrators read who masked, saw and unmasked what, and why.
  func readMaskingReport(_ ticket: Ticket, _ administrator: Person) async throws {
    step("The report tells who masked, saw and unmasked personal data")
    let acts = try await client.api.listMaskingActs(
      ListMaskingActsRequest(parent: service, pageSize: 200), options(administrator)
    ).acts.filter { $0.ticket == ticket.name }
    for act in acts {
      let what = act.act.protoName ?? "?"
      show("\(padded(what, 7)) by \(act.agent)  \(act.masks.count) masks  \(act.reason)")
    }
    try expect(acts.map(\.act) == [.unmask, .reveal, .mask, .unmask, .mask], "the report tells another story")
    try expect(
      acts.allSatisfy { $0.act == .mask || !$0.reason.isEmpty }, "the report lacks a reason")
  }

  private func mailTexts(_ ticket: Ticket, _ reader: Person) async throws -> [String] {
    try await client.api.listMailMessages(ListMailMessagesRequest(parent: ticket.name), options(reader)).mailMessages
      .map(\.text)
  }
}

import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Synchronization
import Testing
import TicketLedger

@testable import Tickets

/// A mask is made while somebody writes the same words on a ticket that belongs to it: whoever is first, they stay out.
@Suite("Masks and words at the same moment")
struct MaskRaceTests {
  private static let name = "이순례"

  private let world: ArrivalWorld
  private var kim: CallOptions { world.world.by(TicketWorld.kim) }

  init() async throws { world = try await ArrivalWorld(isMaskingReachable: true) }

  /// Masks the words at the beginning of a ticket's inquiry.
  private func mask(_ words: String = name, on ticket: TicketRecord) async throws {
    let entry = try #require(try await world.entries(world.world.name(ticket)).first { $0.text.hasPrefix(words) })
    let span = TextSpan(entry: entry.name, start: 0, length: Int32(words.unicodeScalars.count))
    _ = try await world.masking.createMasks(
      CreateMasksRequest(parent: world.world.name(ticket), spans: [span]), kim)
  }

  /// Tickets with a way to mail and to masking on which something happens once a call has been answered.
  private func tickets(after call: String, _ happens: @escaping @Sendable () async throws -> Void) -> (
    TicketServiceClient, Interrupted
  ) {
    let inner = world.world
    let once = Once(happens)
    let masking = Interrupted(way: world.way, call: call, once: once)
    let service = TicketService(
      ledger: inner.ledger, mail: Interrupted(way: inner.mail, call: call, once: once),
      assignment: TicketWorld.nowhere, masking: masking)
    return (TicketWorld.client(service), masking)
  }

  private func last(_ ticket: TicketRecord) async throws -> Entry {
    try #require(try await world.entries(world.world.name(ticket)).last)
  }

  @Test("words that were looked for before a mask on the ticket behind are looked for again before they are stored")
  func lookedForBefore() async throws {
    let inner = world.world
    let source = try await inner.ticket(TicketWorld.Shape(state: .escalating, text: "이순례, 7월 3일"))
    let issue = try await inner.ticket(TicketWorld.Shape(service: "bugs", source: source.link))
    _ = try await inner.client.processTicket(
      ProcessTicketRequest(name: inner.name(issue), act: .comment, text: "전화했습니다"), kim)
    // The first mask has masking asked at all.
    let date = TextSpan(entry: try await last(source).name, start: 5, length: 5)
    _ = try await world.masking.createMasks(CreateMasksRequest(parent: inner.name(source), spans: [date]), kim)
    let before = try await inner.client.getTicket(GetTicketRequest(name: inner.name(issue)), kim)
    let (client, masking) = tickets(after: "FindMaskedWords") { try await mask(on: source) }
    let after = try await client.processTicket(
      ProcessTicketRequest(
        name: inner.name(issue), act: .comment, text: "이순례 님께 전화했습니다", version: before.version), kim)
    #expect(try await last(issue).text == "*** 님께 전화했습니다")
    #expect(masking.count == 2 && after.version == before.version + 1)
  }

  @Test("words that nobody looked for, since nothing was masked, are looked for when something is by then")
  func nothingMaskedBefore() async throws {
    let inner = world.world
    let old = try await inner.ticket(TicketWorld.Shape(state: .completed, text: "이순례입니다"))
    let next = try await inner.ticket(TicketWorld.Shape(previous: old.id))
    let (client, masking) = tickets(after: "PrepareAnswer") { try await mask(on: old) }
    _ = try await client.processTicket(
      ProcessTicketRequest(name: inner.name(next), act: .hold, text: "이순례 님, 곧 답하겠습니다"), kim)
    #expect(try await last(next).text == "*** 님, 곧 답하겠습니다")
    #expect(masking.count == 1)
    // What is opened behind that one knows of the masks, though none lies on the ticket before it.
    try await inner.run("UPDATE ticket SET state = 'COMPLETED', complete_time = now() WHERE id = \(next.id)")
    let third = try await world.client.appendInquiry(
      AppendInquiryRequest(parent: inner.name(next), text: "이순례입니다. 또 씁니다"), inner.by("mail"))
    #expect(third.text == "***입니다. 또 씁니다")
    let name = third.name.split(separator: "/").prefix(4).joined(separator: "/")
    let fourth = try await world.client.appendInquiry(
      AppendInquiryRequest(parent: name, text: "이순례입니다. 다시 씁니다"), inner.by("mail"))
    #expect(fourth.text == "***입니다. 다시 씁니다")
  }

  @Test("a ticket that is opened while a mask waits for its lock is masked, too", arguments: [true, false])
  func opened(onTheTicketItself: Bool) async throws {
    let inner = world.world
    let old = try await inner.ticket(TicketWorld.Shape(state: .completed, text: "이순례입니다"))
    let older = try await inner.ticket(TicketWorld.Shape(state: .completed, text: "이순례입니다. 처음 씁니다"))
    if !onTheTicketItself {
      try await inner.run("UPDATE ticket SET previous_ticket_id = \(older.id) WHERE id = \(old.id)")
    }
    let reply = AppendInquiryRequest(parent: inner.name(old), text: "이순례입니다. 언제 되나요?")
    let (tickets, masks) = try await inner.database.pool.transaction(deadline: TestDatabase.deadline) { other in
      _ = try await other.query("SELECT 1 FROM ticket WHERE id = \(old.id) FOR UPDATE")
      // Who waits for a row gets it in the order in which they came.
      let opening = Task { try await world.client.appendInquiry(reply, inner.by("mail")) }
      try await waiting(1)
      let masking = Task { try await mask(on: onTheTicketItself ? old : older) }
      try await waiting(2)
      return (opening, masking)
    }
    #expect(try await tickets.value.text == reply.text)
    try await masks.value
    let clear = try await inner.count("SELECT count(*) FROM ticket_entry WHERE body LIKE '%이순례%'")
    #expect(clear == (onTheTicketItself ? 1 : 0))
    #expect(try await inner.count("SELECT count(*) FROM ticket_entry WHERE body = '***입니다. 언제 되나요?'") == 1)
  }

  /// Comes back when as many wait for locks of the database.
  private func waiting(_ count: Int) async throws {
    let query: Query = """
      SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
      """
    while try await world.world.count(query) < count { await Task.yield() }
  }
}

/// Something that happens once.
private final class Once: Sendable {
  private let happens: Mutex<(@Sendable () async throws -> Void)?>

  init(_ happens: @escaping @Sendable () async throws -> Void) { self.happens = Mutex(happens) }

  func happen() async throws {
    let now = happens.withLock { happens in
      defer { happens = nil }
      return happens
    }
    try await now?()
  }
}

/// A way to another daemon on which something happens between an answer and its receiver.
private final class Interrupted: RPCTransport {
  private let way: any RPCTransport
  private let call: String
  private let once: Once
  private let counted = Mutex(0)

  init(way: any RPCTransport, call: String, once: Once) {
    self.way = way
    self.call = call
    self.once = once
  }

  /// Calls that were made.
  var count: Int { counted.withLock(\.self) }

  func unary(_ path: String, _ request: [UInt8], _ options: CallOptions) async throws -> RawResponse {
    let answer = try await way.unary(path, request, options)
    if path.hasSuffix("/FindMaskedWords") { counted.withLock { $0 += 1 } }
    if path.hasSuffix("/\(call)") { try await once.happen() }
    return answer
  }

  func serverStreaming(_ path: String, _ request: [UInt8], _ options: CallOptions) async throws -> RawResponseStream {
    try await way.serverStreaming(path, request, options)
  }

  func clientStreaming(
    _ path: String, _ options: CallOptions, _ requests: @escaping @Sendable (RawRequestWriter) async throws -> Void
  ) async throws -> RawResponse {
    try await way.clientStreaming(path, options, requests)
  }

  func bidirectional(
    _ path: String, _ options: CallOptions, _ requests: @escaping @Sendable (RawRequestWriter) async throws -> Void
  ) async throws -> RawResponseStream {
    try await way.bidirectional(path, options, requests)
  }
}

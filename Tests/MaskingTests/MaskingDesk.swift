import Crypto
import Foundation
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Masking
import Postgres
import RPC
import ServiceKit
import TicketLedger

/// A desk with the masking service on it, which works with the rights of its own database role.
struct MaskingDesk {
  let desk: Desk
  let masking: MaskingService
  let keys: VaultKeys
  let metrics = Metrics()

  static func open() async throws -> MaskingDesk { try MaskingDesk(try await Desk.open()) }

  /// The same desk with a service that has read no settings yet.
  static func fresh(_ world: MaskingDesk) throws -> MaskingDesk { try MaskingDesk(world.desk, keys: world.keys) }

  private init(_ desk: Desk, keys: VaultKeys? = nil) throws {
    self.desk = desk
    let directory = NSTemporaryDirectory() + "vault-\(UUID().uuidString)"
    self.keys = try keys ?? VaultKeys(directory: directory, metrics: metrics)
    masking = MaskingService(ledger: try desk.ledger(as: "handoff_masking"), keys: self.keys)
    if keys == nil { try FileManager.default.removeItem(atPath: directory) }
  }

  /// Masks spans as an agent of `care`.
  func mask(
    _ spans: [TextSpan], on ticket: TicketName, by agent: AgentID = Desk.kim, version: Int64 = 0
  ) async throws -> [Mask] {
    let request = CreateMasksRequest(parent: ticket.description, spans: spans, version: version)
    return try await masking.createMasks(request, call("CreateMasks", by: agent)).masks
  }

  /// Takes a mask off.
  @discardableResult
  func unmask(_ mask: Mask, by agent: AgentID = Desk.kim) async throws -> Ticket {
    let request = UnmaskTextRequest(name: mask.name, reason: "고객 확인")
    return try await masking.unmaskText(request, call("UnmaskText", by: agent))
  }

  func call(_ method: String, by agent: AgentID? = Desk.kim) -> CallContext {
    desk.call(method, by: agent, service: "MaskingService")
  }

  func run(_ query: Query) async throws {
    _ = try await desk.database.pool.query(query, deadline: desk.deadline)
  }

  /// Whether a ticket's history is as it was written.
  func isIntact(_ ticket: TicketLink) async throws -> Bool {
    let found = try await desk.ledger.verify(ticket.ticketID, of: ticket.serviceID, deadline: desk.deadline)
    return found.isIntact
  }
}

/// A consultation ticket with a marker in every text that it can carry, and the issue ticket it was escalated to.
struct MarkedTicket {
  /// What must not be found once it is masked. An address, so that it can stand in every field.
  static let marker = "marker.7f3a@example.com"

  let name: TicketName
  let own: TicketLink
  let issue: TicketLink
  let inquiry: EntryID

  /// Spans over the marker in the text and in every field.
  var spans: [TextSpan] {
    let length = Int32(Self.marker.unicodeScalars.count)
    return [
      TextSpan(entry: EntryName(ticket: name, id: inquiry).description, start: 4, length: length),
      TextSpan(start: 0, length: length, field: "customer.display_name"),
      TextSpan(start: 0, length: length, field: "customer.email"),
      TextSpan(start: 0, length: length, field: "customer.phone"),
      TextSpan(start: 0, length: length, field: "customer.user_code"),
    ]
  }

  static func make(on world: MaskingDesk) async throws -> MarkedTicket {
    let desk = world.desk
    let marker = marker
    try await world.run(
      """
      INSERT INTO customer (organization_id, id, display_name, email, phone, user_code)
      VALUES (1, 77, \(marker), \(marker), \(marker), \(marker)) ON CONFLICT DO NOTHING
      """)
    let care = try await desk.ledger.directory.service(code: "care", deadline: desk.deadline)
    let tech = try await desk.ledger.directory.service(code: "tech", deadline: desk.deadline)
    var draft = TicketDraft(
      service: care, state: .unassigned, title: "\(marker) 문의", channel: .helpCenter, by: .customer)
    draft.customer = .marked
    draft.event.entries = [EntryDraft(.inquiry, .create, body: "메일은 \(marker) 이고 \(marker.uppercased()) 도 같아요.")]
    let made = try await desk.ledger.create(draft, deadline: desk.deadline)
    var change = TicketChange([
      EventDraft(.fieldsSaved, by: .agent(Desk.kim), set: .naming("다른 제목", "다른 이름")),
      EventDraft(.fieldsSaved, by: .agent(Desk.kim), set: .naming("\(marker) 문의", marker)),
      EventDraft(.commented, by: .agent(Desk.kim)),
    ])
    change.events[2].entries = [EntryDraft(.comment, .commentAdded, body: "> \(marker)\n고객이 쓴 주소는 \(marker)입니다.")]
    _ = try await desk.ledger.write(change, on: made.ticket, deadline: desk.deadline)

    var issue = TicketDraft(
      service: tech, state: .unassigned, title: "\(marker) 확인", channel: .escalation, by: .agent(Desk.kim))
    issue.customer = .marked
    issue.source = made.ticket.link
    issue.event.entries = [EntryDraft(.inquiry, .create, body: "고객 \(marker) 의 문의입니다")]
    let other = try await desk.ledger.create(issue, deadline: desk.deadline)
    for (index, state) in ["SENT", "QUEUED", "FAILED"].enumerated() {
      try await world.run(
        """
        INSERT INTO mail_message (service_id, ticket_id, event_sequence, state, message_id, recipient, subject, body,
          server_reply)
        VALUES (1, \(made.ticket.id), \(Int32(index + 1)), \(state), \("\(index)-\(made.ticket.id)@example.org"),
          \(marker), \("[고객센터] \(marker) 문의"), \("> \(marker)\n답변입니다."), \("550 <\(marker)> unknown"))
        """)
    }
    return MarkedTicket(
      name: TicketName(service: "care", id: made.ticket.id), own: made.ticket.link, issue: other.ticket.link,
      inquiry: EntryID(made.resultIDs[0]))
  }
}

extension TicketFields {
  fileprivate static func naming(_ title: String, _ customerName: String) -> TicketFields {
    var fields = TicketFields()
    fields.title = title
    fields.customerName = customerName
    return fields
  }
}

extension TicketCustomerDraft {
  fileprivate static var marked: TicketCustomerDraft {
    var customer = TicketCustomerDraft()
    customer.id = CustomerID(77)
    customer.name = MarkedTicket.marker
    customer.email = MarkedTicket.marker
    customer.phone = MarkedTicket.marker
    customer.userCode = MarkedTicket.marker
    return customer
  }
}

import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Masking
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@Suite("Masking a ticket's texts")
struct MaskingServiceTests {
  private static let secret = "010-0000-1234"
  private static let inquiry = "연락처는 010-0000-1234, 메일은 hong@example.com 입니다. n\u{304}"

  private let desk: Desk
  private let masking: MaskingService
  private let ticket: TicketName
  private let entry: String

  init() async throws {
    desk = try await Desk.open()
    let directory = NSTemporaryDirectory() + "vault-\(UUID().uuidString)"
    // The daemon's own database role: a missing grant fails here.
    masking = MaskingService(
      ledger: try desk.ledger(as: "handoff_masking"), keys: try VaultKeys(directory: directory, metrics: Metrics()))
    try FileManager.default.removeItem(atPath: directory)
    let made = try await desk.newTicket(title: "전화 010-0000-1234", inquiry: Self.inquiry)
    ticket = made.name
    entry = EntryName(ticket: made.name, id: made.inquiry).description
  }

  private func call(_ method: String, by agent: AgentID? = Desk.kim) -> CallContext {
    desk.call(method, by: agent, service: "MaskingService")
  }

  private func mask(_ start: Int32, _ length: Int32, requestID: String = "") async throws -> CreateMasksResponse {
    let request = CreateMasksRequest(
      parent: ticket.description, spans: [TextSpan(entry: entry, start: start, length: length)], requestId: requestID)
    return try await masking.createMasks(request, call("CreateMasks"))
  }

  private func body() async throws -> String {
    let rows = try await desk.database.pool.query(
      "SELECT body FROM ticket_entry WHERE ticket_id = \(ticket.id)", deadline: desk.deadline)
    return try rows[0].string(0)
  }

  @Test("what is detected can be masked, and no table keeps the clear text")
  func detectThenMask() async throws {
    let found = try await masking.detectPersonalData(
      DetectPersonalDataRequest(parent: ticket.description), call("DetectPersonalData"))
    #expect(found.findings.map(\.kind) == [.phone, .phone, .email])
    let request = CreateMasksRequest(parent: ticket.description, spans: found.findings.compactMap(\.span))
    let masked = try await masking.createMasks(request, call("CreateMasks"))
    #expect(masked.masks.count == 3)
    #expect(masked.ticket?.title == "전화 *************")
    #expect(masked.ticket?.titleMasks.count == 1)
    #expect(try await body() == "연락처는 *************, 메일은 **************** 입니다. n\u{304}")
    let copies = try await desk.number(
      """
      SELECT (SELECT count(*) FROM ticket WHERE title LIKE \("%" + Self.secret + "%"))
        + (SELECT count(*) FROM ticket_entry WHERE body LIKE \("%" + Self.secret + "%"))
        + (SELECT count(*) FROM ticket_event_value
           WHERE before_text LIKE \("%" + Self.secret + "%") OR after_text LIKE \("%" + Self.secret + "%"))
        + (SELECT count(*) FROM ticket_event WHERE changes LIKE \("%" + Self.secret + "%"))
      """)
    #expect(copies == 0)
    #expect(try await desk.ledger.verify(ticket, desk))
  }

  @Test("unmasking restores the text byte by byte, names who did it, and leaves the history intact")
  func unmask() async throws {
    let first = try await mask(5, 13)
    let second = try await mask(24, 16)
    #expect(try await body() == "연락처는 *************, 메일은 **************** 입니다. n\u{304}")
    for mask in [first.masks[0], second.masks[0]] {
      let request = UnmaskTextRequest(name: mask.name, reason: "고객이 다시 전화함")
      _ = try await masking.unmaskText(request, call("UnmaskText"))
    }
    #expect(try await body() == Self.inquiry)
    let listed = try await masking.listMasks(ListMasksRequest(parent: ticket.description), call("ListMasks"))
    #expect(listed.masks.map(\.unmaskedBy) == ["agents/1", "agents/1"])
    let codes = try await desk.database.pool.query(
      "SELECT code FROM ticket_event WHERE ticket_id = \(ticket.id) ORDER BY sequence", deadline: desk.deadline)
    #expect(try codes.map { try $0.string(0) } == ["CREATED", "MASKED", "MASKED", "UNMASKED", "UNMASKED"])
    #expect(try await desk.ledger.verify(ticket, desk))
  }

  @Test("revealing shows the original, leaves the text masked, and leaves a trace")
  func reveal() async throws {
    let made = try await mask(5, 13)
    let shown = try await masking.revealMask(
      RevealMaskRequest(name: made.masks[0].name, reason: "본인 확인"), call("RevealMask"))
    #expect(shown.text == Self.secret)
    #expect(try await body().contains("*************"))
    let count = try await desk.number(
      "SELECT count(*) FROM ticket_event WHERE ticket_id = \(ticket.id) AND code = 'MASK_REVEALED'")
    #expect(count == 1)
  }

  @Test("a repeated request masks once and answers alike; the same id with other spans is refused")
  func idempotency() async throws {
    let first = try await mask(5, 13, requestID: "mask-1")
    let again = try await mask(5, 13, requestID: "mask-1")
    #expect(again.masks == first.masks)
    #expect(try await desk.number("SELECT count(*) FROM mask_place WHERE number = 0") == 1)
    await #expect(throws: ServiceError.self) { try await mask(24, 16, requestID: "mask-1") }
  }

  @Test("unmasking is guarded by the version, safe to repeat, and done once; a refusal changes nothing")
  func guardedUnmask() async throws {
    let mask = try #require(try await mask(5, 13).masks.first)
    func unmask(version: Int64 = 0, requestID: String = "", by agent: AgentID = Desk.kim) async throws -> ServiceError?
    {
      do {
        _ = try await masking.unmaskText(
          UnmaskTextRequest(name: mask.name, reason: "확인", version: version, requestId: requestID),
          call("UnmaskText", by: agent))
        return nil
      } catch {
        return error as? ServiceError
      }
    }
    func reveal(_ reason: String, by agent: AgentID) async throws -> ServiceError? {
      do {
        _ = try await masking.revealMask(
          RevealMaskRequest(name: mask.name, reason: reason), call("RevealMask", by: agent))
        return nil
      } catch {
        return error as? ServiceError
      }
    }
    let masked = try await body()
    #expect(try await unmask(version: 1)?.reason == .staleVersion)
    #expect(try await unmask(by: Desk.away)?.reason == .permissionDenied)
    #expect(try await reveal("확인", by: Desk.away)?.reason == .permissionDenied)
    #expect(try await reveal(" ", by: Desk.kim)?.violations.map(\.field) == ["reason"])
    #expect(try await body() == masked)
    #expect(try await desk.number("SELECT count(*) FROM ticket_event WHERE code = 'MASK_REVEALED'") == 0)
    for _ in 1...2 { #expect(try await unmask(requestID: "off") == nil) }
    #expect(try await unmask()?.reason == .maskNotFound)
    #expect(try await body() == Self.inquiry)
    #expect(try await desk.number("SELECT count(*) FROM ticket_event WHERE code = 'UNMASKED'") == 1)
  }

  @Test("two agents who mask at once both succeed or one is told, and no original is lost")
  func race() async throws {
    async let one = mask(5, 13)
    async let two = mask(24, 16)
    let masks = [try await one.masks[0], try await two.masks[0]]
    for mask in masks {
      _ = try await masking.unmaskText(UnmaskTextRequest(name: mask.name, reason: "test"), call("UnmaskText"))
    }
    #expect(try await body() == Self.inquiry)
  }

  /// A refused request and the reason it is refused with.
  enum Refused: String, CaseIterable {
    case outside, empty, overlap, splitting, tooMany, noField, none, otherTicket, staleVersion, stranger, noAgent
    case noUnmaskRight, noReason, longReason, unknownMask, otherService, missingEntry

    /// Of what the refusal says that it is wrong; nil where that is for the reason to say.
    var field: String? {
      switch self {
      case .outside, .splitting: "spans[0]"
      case .empty: "spans[0].length"
      case .overlap: "spans[1]"
      case .tooMany: "spans[100]"
      case .noField: "spans[0].field"
      case .none: "spans"
      case .otherTicket, .otherService, .missingEntry: "spans[0].entry"
      case .noReason, .longReason: "reason"
      case .staleVersion, .stranger, .noAgent, .noUnmaskRight, .unknownMask: nil
      }
    }

    var reason: Reason {
      switch self {
      case .outside, .empty, .none, .noReason, .longReason, .splitting, .tooMany, .noField: .requestInvalid
      case .overlap: .maskOverlap
      case .otherTicket, .otherService, .missingEntry: .entryNotFound
      case .staleVersion: .staleVersion
      case .stranger: .ticketNotFound
      case .noAgent, .noUnmaskRight: .permissionDenied
      case .unknownMask: .maskNotFound
      }
    }
  }

  @Test("bad requests are refused with their reason, and change nothing", arguments: Refused.allCases)
  func refusals(_ row: Refused) async throws {
    let before = try await body()
    var request = CreateMasksRequest(
      parent: ticket.description, spans: [TextSpan(entry: entry, start: 5, length: 13)])
    await #expect("\(row)") {
      switch row {
      case .outside: request.spans[0].length = 9_999
      case .empty: request.spans[0].length = 0
      case .overlap: request.spans.append(TextSpan(entry: entry, start: 10, length: 1))
      // The last letter of the inquiry is an "e" with an accent of its own.
      case .splitting: request.spans = [TextSpan(entry: entry, start: 46, length: 1)]
      case .tooMany: request.spans = Array(repeating: request.spans[0], count: 10_000)
      case .noField: request.spans[0] = TextSpan(start: 0, length: 1, field: "state")
      case .none: request.spans = []
      case .otherTicket: request.spans[0].entry = "services/care/tickets/1/entries/2"
      case .otherService: request.spans[0].entry = "services/tech/tickets/\(ticket.id)/entries/2"
      case .missingEntry: request.spans[0].entry = "\(ticket)/entries/999999"
      case .staleVersion: request.version = 99
      case .stranger: _ = try await masking.createMasks(request, call("CreateMasks", by: Desk.stranger))
      case .noAgent: _ = try await masking.createMasks(request, call("CreateMasks", by: nil))
      case .noUnmaskRight:
        let unmask = UnmaskTextRequest(name: "\(ticket)/masks/1", reason: "x")
        _ = try await masking.unmaskText(unmask, call("UnmaskText", by: Desk.away))
      case .noReason:
        _ = try await masking.unmaskText(UnmaskTextRequest(name: "\(ticket)/masks/1"), call("UnmaskText"))
      case .longReason:
        let reason = String(repeating: "x", count: 5 << 20)
        _ = try await masking.unmaskText(
          UnmaskTextRequest(name: "\(ticket)/masks/1", reason: reason), call("UnmaskText"))
      case .unknownMask:
        _ = try await masking.unmaskText(
          UnmaskTextRequest(name: "\(ticket)/masks/999", reason: "x"), call("UnmaskText"))
      }
      _ = try await masking.createMasks(request, call("CreateMasks"))
    } throws: { error in
      guard let error = error as? ServiceError else { return false }
      return error.reason == row.reason && (row.field == nil || error.violations.map(\.field) == [row.field])
    }
    #expect(try await body() == before)
    #expect(try await desk.number("SELECT count(*) FROM mask_place WHERE number = 0") == 0)
  }

  @Test("a service without the security service masks nothing")
  func securityOff() async throws {
    _ = try await desk.database.pool.query(
      "UPDATE service SET has_security = false WHERE code = 'care'", deadline: desk.deadline)
    await #expect { try await mask(5, 13) } throws: { ($0 as? ServiceError)?.reason == .securityServiceOff }
  }

  @Test("a seal that was moved to another mask, or changed, does not open")
  func movedSeal() async throws {
    let first = try await mask(5, 13)
    let second = try await mask(24, 13)
    _ = try await desk.database.pool.query(
      """
      UPDATE mask_place SET sealed_original = (SELECT sealed_original FROM mask_place ORDER BY mask_id LIMIT 1)
      WHERE mask_id = (SELECT max(mask_id) FROM mask_place)
      """, deadline: desk.deadline)
    let request = RevealMaskRequest(name: second.masks[0].name, reason: "x")
    await #expect { try await masking.revealMask(request, call("RevealMask")) } throws: {
      ($0 as? ServiceError)?.reason == .maskDamaged
    }
    #expect(first.masks[0].name != second.masks[0].name)
  }
}

extension TicketLedger {
  fileprivate func verify(_ name: TicketName, _ desk: Desk) async throws -> Bool {
    let access = try await access(.agent(Desk.kim), serviceCode: name.service, deadline: desk.deadline)
    return try await verify(name.id, of: access.service.id, deadline: desk.deadline).isIntact
  }
}

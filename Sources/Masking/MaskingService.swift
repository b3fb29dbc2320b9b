import EventLoop
package import HandoffAPI
import PersonalData
import Postgres
package import RPC
import RPCProtos
package import ServiceKit
package import TicketLedger

/// Masks personal data in tickets, reversibly, and brings it back for who may see it.
package struct MaskingService: MaskingServiceProvider {
  /// Most spans in one request.
  package static let spansMax = 100

  let ledger: TicketLedger
  let store: MaskStore
  let keys: VaultKeys
  /// Ids of masks to be, which their seals must know.
  let maskIDs: IDSource
  /// Most bytes of texts that are searched for the words of a request.
  let textBytesMax: Int

  /// Creates the service.
  ///
  /// - Parameter textBytesMax: most bytes of texts, on a ticket and on those that belong to it, that are searched for
  ///   the words of a request.
  package init(ledger: TicketLedger, keys: VaultKeys, textBytesMax: Int = 64 << 20) {
    self.ledger = ledger
    self.keys = keys
    self.textBytesMax = textBytesMax
    store = MaskStore(pool: ledger.pool)
    maskIDs = IDSource(
      pool: ledger.pool, nextBlocks: "SELECT nextval('mask_place_mask_id_seq') FROM generate_series(1, 64)",
      blockLength: 1)
  }

  /// Who may call what, beside the public methods of the gateway.
  package static let callerRules: [CallerRule] = [
    CallerRule("MaskingService", callers: ["gateway", "operator"]),
    CallerRule("MaskingService", ["SealMasks", "CopyMasks"], callers: ["tickets"]),
    CallerRule("MaskingService", ["FindMaskedWords"], callers: ["tickets", "mail"]),
    CallerRule(
      "MaskingService", ["SealSecret", "ResealSecret", "OpenSecret"], callers: ["mail", "tickets", "assignment"]),
  ]

  /// Lists a ticket's masks, oldest first and those taken off too, in pages of up to 100 unless the request asks
  /// otherwise; originals are not among what it answers, nor, for agents, masks in fields for administrators only.
  ///
  /// - Throws: TICKET_NOT_FOUND, PAGE_TOKEN_INVALID, PERMISSION_DENIED.
  package func listMasks(_ request: ListMasksRequest, _ call: CallContext) async throws -> ListMasksResponse {
    let name = try TicketName(request.parent, field: "parent")
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    let ticket = try await ledger.ticket(name, access: access, deadline: call.deadline)
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 100, scope: "masks/\(ticket.id)", key: ledger.key.pages)
    let records = try await store.masks(
      of: ticket.link, seenBy: MaskSight(access), after: MaskID(page.after), limit: Int64(page.size) + 1,
      deadline: call.deadline)
    let shown = records.prefix(page.size)
    return ListMasksResponse(
      masks: try await messages(Array(shown), name, of: ticket.serviceID, call.deadline),
      nextPageToken: records.count > page.size ? page.token(after: shown.last?.place.mask.rawValue ?? 0) : "")
  }

  /// Points out what looks like personal data in the title, all entries, the chat and the fields of free text of a
  /// ticket, and changes nothing.
  ///
  /// - Throws: TICKET_NOT_FOUND, SECURITY_SERVICE_OFF, DETECTION_OFF, PERMISSION_DENIED.
  package func detectPersonalData(
    _ request: DetectPersonalDataRequest, _ call: CallContext
  ) async throws -> DetectPersonalDataResponse {
    let name = try TicketName(request.parent, field: "parent")
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    try Self.requireSecurity(access)
    let ticket = try await ledger.ticket(name, access: access, deadline: call.deadline)
    let policy = try await ledger.directory.masking(of: ticket.serviceID, deadline: call.deadline)
    guard policy.detection != .off else { throw ServiceError(.detectionOff) }
    var findings = policy.findings(in: ticket.title).map { Finding($0, entry: "") }
    var last = EntryID(0)
    while true {
      let entries = try await store.entryTexts(of: ticket.link, after: last, deadline: call.deadline)
      for entry in entries {
        let entryName = EntryName(ticket: name, id: entry.id).description
        findings += policy.findings(in: entry.text).map { Finding($0, entry: entryName) }
      }
      guard let next = entries.last?.id else { break }
      last = next
    }
    for text in try await store.otherTexts(
      of: ticket.link, all: access.member?.role == .administrator, deadline: call.deadline)
    {
      findings += policy.findings(in: text.text).map { Finding($0, entry: "", field: text.name) }
    }
    return DetectPersonalDataResponse(findings: findings)
  }

  func newMaskIDs(_ count: Int, deadline: Deadline) async throws -> [MaskID] {
    try await maskIDs.take(count, deadline: deadline).map { MaskID($0) }
  }

  /// Masking is part of the security service, which a service may not have.
  static func requireSecurity(_ access: Access) throws(ServiceError) {
    guard access.service.hasSecurity else { throw ServiceError(.securityServiceOff) }
  }

  func messages(
    _ records: [MaskRecord], _ ticket: TicketName, of service: ServiceID, _ deadline: Deadline
  ) async throws -> [Mask] {
    let names = try await store.fieldNames(of: records.map(\.place.address), in: service, deadline: deadline)
    return records.map { message($0, ticket, names) }
  }

  private func message(_ record: MaskRecord, _ ticket: TicketName, _ fieldNames: FieldNames) -> Mask {
    Mask(
      name: MaskName(ticket: ticket, id: record.place.mask).description,
      span: record.place.address.span(record.place.span, of: ticket, fieldNames),
      maskedBy: record.place.maskedBy.map { AgentName(id: $0).description } ?? "",
      maskTime: Timestamp(record.place.maskTime),
      unmaskedBy: record.unmaskedBy.map { AgentName(id: $0).description } ?? "",
      unmaskTime: record.unmaskTime.map { Timestamp($0) })
  }
}

extension Finding {
  init(_ finding: PersonalDataFinding, entry: String, field: String = "") {
    self.init(
      kind: Kind(rawValue: finding.kind.number),
      span: TextSpan(entry: entry, start: Int32(finding.start), length: Int32(finding.length), field: field),
      confidencePercent: finding.confidencePercent)
  }
}

import EventLoop
package import HandoffAPI
package import RPC
import RPCProtos
import ServiceKit
import TicketLedger

extension MailService {
  private static let chunkBytesMax = 262_144
  private static let recipientsMax = 50
  private static let pageMax = 50

  /// Takes a mail that came in: from an administrator, or from the operator's own tool.
  ///
  /// - Throws: SERVICE_NOT_FOUND, BODY_TOO_LARGE, TOO_MANY_REQUESTS, PERMISSION_DENIED, REQUEST_INVALID.
  package func ingestMessage(
    _ requests: RequestStream<IngestMessageRequest>, _ call: CallContext
  ) async throws -> InboundMail {
    let inbound = try inboundOrThrow()
    var parts = requests.makeAsyncIterator()
    guard case .header(let header)? = try await parts.next()?.part else {
      throw ServiceError.invalid("header", "must be the first part of a mail")
    }
    let name = try ServiceName(header.parent, field: "header.parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    if access.member != nil { try access.require(.administrator) }
    guard header.envelopeRecipients.count <= Self.recipientsMax,
      header.envelopeRecipients.allSatisfy({ MailAddress($0) != nil })
    else {
      throw ServiceError.invalid("header.envelope_recipients", "must be at most \(Self.recipientsMax) mail addresses")
    }
    // As mail servers note it themselves.
    var message = header.envelopeRecipients.flatMap { Array("Delivered-To: \($0)\r\n".utf8) }
    let room = message.count
    var budget = inbound.budget.begin()
    defer { budget.end() }
    while let part = try await parts.next() {
      guard case .chunk(let bytes)? = part.part, !bytes.isEmpty, bytes.count <= Self.chunkBytesMax else {
        throw ServiceError.invalid("chunk", "must be 1 to \(Self.chunkBytesMax) bytes, after the one header")
      }
      guard message.count - room + bytes.count <= inbound.limits.messageBytesMax else {
        throw ServiceError(
          .bodyTooLarge, "a mail must have at most \(inbound.limits.messageBytesMax >> 20) MB; refuse it to its sender")
      }
      guard budget.take(bytes.count) else { throw ServiceError(.tooManyRequests) }
      message += bytes
    }
    guard message.count > room else { throw ServiceError.invalid("chunk", "is required: the mail is empty") }
    let taken = try await inbound.take(message, for: access.service, call.onward())
    return taken.message(in: access.service)
  }

  /// Lists mails that came in; whom they are from and what about is opened for the caller. What cannot be opened any
  /// more, because its key is lost, is listed without.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID, PERMISSION_DENIED.
  package func listInboundMails(
    _ request: ListInboundMailsRequest, _ call: CallContext
  ) async throws -> ListInboundMailsResponse {
    let inbound = try inboundOrThrow()
    let name = try ServiceName(request.parent, field: "parent")
    guard let state = InboundState(request.state) else {
      throw ServiceError.invalid("state", "must be a state of mails that came in")
    }
    let access = try await ledger.access(call, serviceCode: name.code)
    try access.require(.ticket)
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 20, sizeMax: Self.pageMax,
      scope: "ListInboundMails \(name) \(state.rawValue)", key: ledger.key.pages)
    let found = try await store.inbound(
      state, of: access.service.id, before: page.after == 0 ? .max : page.after, limit: page.size + 1,
      deadline: call.deadline)
    let shown = Array(found.prefix(page.size))
    let last = found.count > page.size ? shown.last : nil
    var mails: [InboundMail] = []
    for record in shown {
      var mail = record.message(in: access.service)
      let summary = try await inbound.openableSummary(of: record, call.onward())
      (mail.sender, mail.senderDisplayName) = (summary.sender, summary.senderDisplayName)
      (mail.subject, mail.fileNames) = (summary.subject, summary.fileNames)
      mails.append(try await inbound.hidingMasked(mail, of: record, in: access.service, call.onward()))
    }
    return ListInboundMailsResponse(
      inboundMails: mails, nextPageToken: last.map { page.token(after: $0.id) } ?? "")
  }

  /// Returns a mail with its words, save those that are masked on the ticket that it is about.
  ///
  /// - Throws: MESSAGE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func getInboundMail(_ request: GetInboundMailRequest, _ call: CallContext) async throws -> InboundMail {
    let inbound = try inboundOrThrow()
    let (access, id) = try await inboundAccess(request.name, call)
    guard let record = try await store.inbound(id, of: access.service.id, deadline: call.deadline) else {
      throw ServiceError(.messageNotFound)
    }
    var mail = record.message(in: access.service)
    // What became a ticket is read there, with its masks.
    guard record.state != .ticket, record.state != .reply, record.hasRaw else { return mail }
    if let read = try await inbound.shown(record, call.onward()) {
      mail.sender = read.from.first?.address ?? ""
      mail.senderDisplayName = read.from.first?.displayName ?? ""
      mail.subject = read.subject
      mail.text = read.text
      mail.fileNames = read.files.map(\.name)
    }
    return try await inbound.hidingMasked(mail, of: record, in: access.service, call.onward())
  }

  /// Lets a mail in that waits for an agent, or was suppressed.
  ///
  /// - Throws: MESSAGE_NOT_FOUND, TICKET_NOT_FOUND, TRANSITION_NOT_ALLOWED, PERMISSION_DENIED, REQUEST_INVALID.
  package func acceptInboundMail(
    _ request: AcceptInboundMailRequest, _ call: CallContext
  ) async throws -> InboundMail {
    let (access, id) = try await inboundAccess(request.name, call)
    var ticket: TicketID?
    if !request.ticket.isEmpty {
      let name = try TicketName(request.ticket, field: "ticket")
      ticket = try await ledger.ticket(name, access: access, deadline: call.deadline).id
    }
    let plan: InboundPlan = ticket == nil ? .ticket : .reply
    return try await decideAgain(id, access, [.quarantined, .suppressed], plan, ticket, call)
  }

  /// Turns a mail away that waits for an agent.
  ///
  /// - Throws: MESSAGE_NOT_FOUND, TRANSITION_NOT_ALLOWED, PERMISSION_DENIED, REQUEST_INVALID.
  package func rejectInboundMail(
    _ request: RejectInboundMailRequest, _ call: CallContext
  ) async throws -> InboundMail {
    let (access, id) = try await inboundAccess(request.name, call)
    let rejected = try await store.reject(
      id, of: access.service.id, by: access.member?.agentID, deadline: call.deadline)
    guard let rejected else { throw try await refusal(id, access, call) }
    return rejected.message(in: access.service)
  }

  /// Has a mail read and decided anew.
  ///
  /// - Throws: MESSAGE_NOT_FOUND, TRANSITION_NOT_ALLOWED, PERMISSION_DENIED, REQUEST_INVALID.
  package func rerunInboundMail(
    _ request: RerunInboundMailRequest, _ call: CallContext
  ) async throws -> InboundMail {
    let (access, id) = try await inboundAccess(request.name, call)
    return try await decideAgain(id, access, [.quarantined, .suppressed], .none, nil, call)
  }

  private func decideAgain(
    _ id: Int64, _ access: Access, _ states: [InboundState], _ plan: InboundPlan, _ ticket: TicketID?,
    _ call: CallContext
  ) async throws -> InboundMail {
    let inbound = try inboundOrThrow()
    let taken = try await store.takeUpAgain(
      id, of: access.service.id, from: states, plan: plan, ticket: ticket, by: access.member?.agentID,
      deadline: call.deadline)
    guard let taken else { throw try await refusal(id, access, call) }
    return try await inbound.process(taken, nil, call.onward()).message(in: access.service)
  }

  private func refusal(_ id: Int64, _ access: Access, _ call: CallContext) async throws -> ServiceError {
    guard let record = try await store.inbound(id, of: access.service.id, deadline: call.deadline) else {
      return ServiceError(.messageNotFound)
    }
    guard record.hasRaw else { return ServiceError(.transitionNotAllowed, "the mail is kept no longer") }
    return ServiceError(.transitionNotAllowed, "the mail is \(record.state.rawValue) by now; read it again")
  }

  private func inboundAccess(_ text: String, _ call: CallContext) async throws -> (Access, Int64) {
    let name = try InboundMailName(text, field: "name")
    do {
      let access = try await ledger.access(call, serviceCode: name.service)
      try access.require(.ticket)
      return (access, name.id)
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.messageNotFound)
    }
  }

  private func inboundOrThrow() throws(ServiceError) -> InboundMailProcessor {
    guard let inbound else { throw ServiceError(.unimplemented) }
    return inbound
  }
}

extension InboundRecord {
  /// The mail as the API shows it, without its words.
  func message(in service: ServiceRecord) -> InboundMail {
    InboundMail(
      name: InboundMailName(service: service.code, id: id).description, state: InboundMail.State(state), reason: reason,
      ticket: ticketID.map { TicketName(service: service.code, id: $0).description } ?? "",
      receiveTime: Timestamp(receiveTime), decideTime: decideTime.map { Timestamp($0) },
      decider: deciderID.map { AgentName(id: $0).description } ?? "", sizeBytes: sizeBytes,
      account: MailAccountName(service: service.code, id: accountID).description)
  }
}

extension InboundMail.State {
  fileprivate init(_ state: InboundState) {
    self =
      switch state {
      case .waiting: .waiting
      case .ticket: .ticket
      case .reply: .reply
      case .suppressed: .suppressed
      case .quarantined: .quarantined
      }
  }
}

extension InboundState {
  /// Nil for a number that is no state; quarantined when none is named.
  fileprivate init?(_ state: InboundMail.State) {
    switch state {
    case .waiting: self = .waiting
    case .ticket: self = .ticket
    case .reply: self = .reply
    case .suppressed: self = .suppressed
    case .quarantined, .unspecified: self = .quarantined
    default: return nil
    }
  }
}

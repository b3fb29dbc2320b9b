import Crypto
package import HandoffAPI
import Protobuf
package import RPC
import RPCProtos
import ServiceKit
import TicketLedger

extension MailService {
  /// Sends a mail again that was given up or came back, once; the new mail is answered.
  ///
  /// - Throws: MESSAGE_NOT_FOUND, TRANSITION_NOT_ALLOWED, PERMISSION_DENIED, REQUEST_INVALID, REQUEST_ID_REUSED.
  package func resendMailMessage(_ request: ResendMailMessageRequest, _ call: CallContext) async throws -> MailMessage {
    let name = try MailMessageName(request.name, field: "name")
    let access = try await access(call, toMessageOf: name.service)
    let service = access.service
    let claim = try IdempotencyClaim.claim(
      call, access, requestID: request.requestId, request: request, key: ledger.key)
    guard let old = try await store.message(name.id, in: service.id, deadline: call.deadline) else {
      throw ServiceError(.messageNotFound)
    }
    _ = try await ledger.perform(on: old.ticketID, of: service.id, idempotency: claim, deadline: call.deadline) {
      ticket in
      // Another agent may have been faster.
      guard let now = try await store.message(name.id, in: service.id, deadline: call.deadline) else {
        throw ServiceError(.messageNotFound)
      }
      return try await resending(now, of: ticket, access, call)
    }
    guard let sequence = try await store.message(name.id, in: service.id, deadline: call.deadline)?.resendSequence,
      let new = try await store.messages(
        of: old.ticketID, in: service.id, after: sequence - 1, limit: 1, deadline: call.deadline
      ).first
    else { throw ServiceError(.internal) }
    return new.message(in: service)
  }

  private func resending(
    _ old: MailStore.MessageRecord, of ticket: TicketRecord, _ access: Access, _ call: CallContext
  ) async throws -> TicketChange {
    guard old.resendSequence == nil else {
      throw ServiceError(.transitionNotAllowed, "the mail was sent again already; look at the newest one")
    }
    guard old.isResendable else {
      throw ServiceError(
        .transitionNotAllowed, "only a mail that was given up, or whose copy for the customer came back, is sent again")
    }
    guard var prepared = try? PreparedAnswer(serialized: old.payload), !prepared.messageId.isEmpty else {
      throw ServiceError(.transitionNotAllowed, "the mail was sent before mails could be sent again; answer anew")
    }
    let isForCustomer = prepared.triggerMail.map { $0.recipient == .customer } ?? true
    if isForCustomer {
      guard MailAddress(ticket.customerEmail) != nil else {
        throw ServiceError(.transitionNotAllowed, "the ticket has no address that a mail can be sent to; enter one")
      }
      let hash = hashes.hash(of: ticket.customerEmail)
      let blocked = try await store.blocked([hash], in: access.service.organizationID, deadline: call.deadline)
      guard blocked.isEmpty else {
        throw ServiceError(
          .transitionNotAllowed, "mails to this address come back; enter another one, or unblock it first")
      }
    }
    prepared.customerOnly = isForCustomer && old.state == .sent
    let nonce = Hex.encode(SecureRandom.bytes(16))
    prepared.messageId = prepared.triggerMail == nil ? messageID(ticket, access.service, nonce: nonce) : nonce
    let payload = try prepared.serialized()
    var event = EventDraft(.mailResent, by: access.ledgerActor, cause: .sequence(old.eventSequence))
    event.notes = [CodeChange("message_id", old.messageID, prepared.messageId)]
    event.outbox = [OutboxDraft(.mail, payload: payload)]
    var change = TicketChange(event)
    change.isSilent = true
    change.companions = MailStore.resend(
      old, in: access.service.id, as: prepared.messageId,
      to: prepared.customerOnly ? ticket.customerEmail : old.recipient, sequence: ticket.eventCount + 1,
      payload: payload)
    return change
  }

  /// The Message-ID of a mail about a ticket.
  func messageID(_ ticket: TicketRecord, _ service: ServiceRecord, nonce: String) -> String {
    let sender = senders.sender(
      name: service.mailSenderName, address: service.mailSenderAddress, serviceName: service.displayName)
    return tokens.messageID(
      for: TicketLink(serviceID: service.id, ticketID: ticket.id), nonce: nonce, domain: sender.domain)
  }

  private func access(_ call: CallContext, toMessageOf service: String) async throws -> Access {
    do {
      let access = try await ledger.access(call, serviceCode: service)
      try access.require(.ticket)
      return access
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.messageNotFound)
    }
  }
}

extension MailStore.MessageRecord {
  /// Whether it may be sent again: nobody got it, or it came back from the customer's mail server.
  fileprivate var isResendable: Bool {
    switch state {
    case .queued: return false
    case .failed: return true
    case .sent:
      guard let customer = Self.addresses(recipient).first else { return false }
      return bounces.contains { $0.kind != .delayed && $0.recipient == customer }
    }
  }

  /// The mail as the API shows it.
  func message(in service: ServiceRecord) -> MailMessage {
    MailMessage(
      name: MailMessageName(service: service.code, id: id).description,
      ticket: TicketName(service: service.code, id: ticketID).description, state: MailMessage.State(state),
      messageId: messageID, recipient: recipient, subject: subject, text: text, attemptCount: attemptCount,
      serverReply: serverReply, createTime: Timestamp(createTime), sendTime: sendTime.map { Timestamp($0) },
      bounces: bounces.map { bounce in
        Bounce(
          kind: Bounce.Kind(rawValue: bounce.kind.number), recipient: bounce.recipient, status: bounce.status,
          serverReply: bounce.serverReply, receiveTime: Timestamp(bounce.receiveTime))
      }, resent: resendSequence != nil)
  }
}

extension MailMessage.State {
  fileprivate init(_ state: MailStore.MessageState) {
    self =
      switch state {
      case .queued: .queued
      case .sent: .sent
      case .failed: .failed
      }
  }
}

import Crypto
import EventLoop
package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension MailService {
  /// Characters of an agent's text.
  package static let textCharactersMax = 20_000

  /// Decides how an answer will be mailed, or why not, before the act is written.
  ///
  /// The layout version and the Message-ID are fixed here: whatever is changed or repeated later, the mail that was
  /// promised is the one that is sent.
  ///
  /// - Throws: BANNED_WORDS with the words and their positions, TICKET_NOT_FOUND, TEXT_REQUIRED, REQUEST_INVALID.
  package func prepareAnswer(_ request: PrepareAnswerRequest, _ call: CallContext) async throws -> PreparedAnswer {
    let name = try TicketName(request.ticket, field: "ticket")
    let act = try Self.act(request.act)
    _ = try Self.canonical(request.text)
    let access = try await ledger.access(call, ticket: name)
    let service = access.service
    let ticket = try await ledger.ticket(name, access: access, deadline: call.deadline)
    let found = try await bannedWords.words(of: service.id, deadline: call.deadline).matches(in: request.text)
    guard found.isEmpty else { throw ServiceError(bannedWords: found) }
    let layout: MailStore.LayoutVersion?
    switch try await plan(act, ticket, service, call.deadline) {
    case .skip(let reason): return PreparedAnswer(skipReason: reason.rawValue, act: request.act)
    case .mail(_, let chosen): layout = chosen
    }
    return PreparedAnswer(
      layout: layout.map { MailLayoutName(service: service.code, id: $0.id).description } ?? "",
      messageId: messageID(ticket, service, nonce: Hex.encode(SecureRandom.bytes(16))), act: request.act)
  }

  /// Shows the very words that an act would mail, and banned words with their positions. Writes nothing.
  ///
  /// - Throws: TICKET_NOT_FOUND, PERMISSION_DENIED, TYPE_NOT_FOUND, ATTACHMENT_NOT_FOUND, TEXT_REQUIRED,
  ///   REQUEST_INVALID; BACKEND_UNAVAILABLE when something is masked on the ticket and masking cannot be reached.
  package func previewAnswer(_ request: PreviewAnswerRequest, _ call: CallContext) async throws -> AnswerPreview {
    let name = try TicketName(request.ticket, field: "ticket")
    let act = try Self.act(request.act)
    let text = try Self.canonical(request.text)
    let processingType = try ProcessingTypeName.optional(request.processingType, field: "processing_type")
    var check = RequestCheck()
    let attachments = AttachmentList(request.attachments, &check)
    try check.done()
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    let ticket = try await ledger.ticket(name, access: access, deadline: call.deadline)
    // As the act would write it: what is masked on the ticket does not leave.
    let written = ticket.hasMasks ? try await maskedWords.hidden([text], on: name, call.onward())[0] : text
    let found = try await bannedWords.words(of: access.service.id, deadline: call.deadline).matches(in: request.text)
    var preview = AnswerPreview(
      bannedWords: found.map { BannedWordHit(word: $0.word, start: Int32($0.start), length: Int32($0.length)) })
    let plan = try await plan(act, ticket, access.service, call.deadline)
    // What the act would refuse is refused here, too.
    let uploads = try await ledger.unusedUploads(
      attachments, of: access, areMailed: plan.isMailed, deadline: call.deadline)
    switch plan {
    case .skip(let reason): preview.skipReason = reason.rawValue
    case .mail(let kind, let layout):
      var known = try await facts(ticket, agent: access.member?.agentID, call.deadline)
      if let processingType {
        known.facts.processingType = try await typeName(processingType, access.service, call.deadline)
      }
      known.facts.fields = try await store.fieldValues(
        of: ticket.id, in: ticket.serviceID, codes: layout?.fieldCodes ?? [], deadline: call.deadline)
      let answer = Answer(text: written, agentName: known.agentName, answeredAt: known.answeredAt, kind: kind)
      let words = AnswerText(answer, facts: known.facts, layout: layout)
      preview.recipient = ticket.customerEmail
      preview.subject = words.subject
      preview.text = words.text
      preview.html = words.html
      preview.unknownCodes = words.unknownCodes
      preview.attachments = uploads.attachments
    }
    return preview
  }

  private var maskedWords: MaskedWords { inbound?.vault.maskedWords ?? MaskedWords(nil) }

  private enum Plan {
    case skip(SkipReason)
    /// The layout is nil when the service has none that would do.
    case mail(LayoutKind, MailStore.LayoutVersion?)

    var isMailed: Bool { if case .mail = self { true } else { false } }
  }

  private func plan(
    _ act: TicketAct, _ ticket: TicketRecord, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws -> Plan {
    let origin: TicketOrigin =
      service.kind == .consultation ? .consultation : ticket.isEscalated ? .escalatedIssue : .issue
    // The acts that can be asked for all answer somebody.
    guard case .answer(let kind) = AnswerTable.mailing(act, origin) else { return .skip(.escalated) }
    guard MailAddress(ticket.customerEmail) != nil else { return .skip(.noAddress) }
    let hash = hashes.hash(of: ticket.customerEmail)
    guard try await store.blocked([hash], in: service.organizationID, deadline: deadline).isEmpty else {
      return .skip(.addressBlocked)
    }
    let layouts = try await store.layouts(of: service.id, deadline: deadline)
    let index = LayoutChoice.index(
      among: layouts.map { (kind: $0.kind, language: $0.language) }, for: kind,
      isHandCreated: ticket.channel == .manual, ticketLanguage: ticket.language, serviceLanguage: service.language)
    return .mail(kind, index.map { layouts[$0] })
  }

  private func facts(_ ticket: TicketRecord, agent: AgentID?, _ deadline: Deadline) async throws -> MailStore.Facts {
    let known = try await store.facts(
      of: ticket.id, in: ticket.serviceID, entry: nil, agent: agent, deadline: deadline)
    guard let known else { throw ServiceError(.ticketNotFound) }
    return known
  }

  private func typeName(
    _ name: ProcessingTypeName, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws -> String {
    guard name.service == service.code,
      let text = try await store.processingTypeName(name.id, of: service.id, deadline: deadline)
    else { throw ServiceError(.typeNotFound) }
    return text
  }

  private static func act(_ act: AnswerAct) throws(ServiceError) -> TicketAct {
    switch act {
    case .resolve: .resolve
    case .hold: .hold
    default: throw .invalid("act", "must be ANSWER_ACT_RESOLVE or ANSWER_ACT_HOLD")
    }
  }

  /// The form in which the ledger keeps an entry, and the mail shows it.
  private static func canonical(_ text: String) throws(ServiceError) -> String {
    try CanonicalText.text(text, field: "text", charactersMax: textCharactersMax)
  }
}

extension AnswerText {
  /// Dresses an answer with a version of a layout, or with the built-in one.
  init(_ answer: Answer, facts: AnswerFacts, layout: MailStore.LayoutVersion?) {
    self.init(
      answer, facts: facts, subject: layout?.subject ?? Self.builtInLayout.subject,
      body: layout?.body ?? Self.builtInLayout.body, language: layout?.language ?? facts.language)
  }
}

extension ServiceError {
  /// Occurrences that a refusal tells; a preview tells all.
  private static let bannedWordsShown = 20

  /// BANNED_WORDS: a violation of `text` for each of the first occurrences; for programs, `words` (one a line) and
  /// `spans` (`start+length` in scalars, separated by blanks) tell the same in the same order.
  init(bannedWords all: [BannedWordMatch]) {
    let found = all.prefix(Self.bannedWordsShown)
    self.init(
      .bannedWords,
      violations: found.map { match in
        FieldViolation("text", "holds the banned word \"\(match.word)\" at character \(match.start)")
      },
      metadata: [
        "words": found.map(\.word).joined(separator: "\n"),
        "spans": found.map { "\($0.start)+\($0.length)" }.joined(separator: " "),
      ])
  }
}

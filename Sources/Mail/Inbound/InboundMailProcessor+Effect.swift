import EventLoop
import HandoffAPI
import RPC
import ServiceKit
import TicketLedger

extension InboundMailProcessor {
  private static let titleScalarsMax = 200
  /// What a ticket takes of a mail's text, less room for what Handoff adds.
  private static let textScalarsMax = 48_000
  private static let nameScalarsMax = 100
  private static let addressScalarsMax = 254
  private static let participantsMax = 20
  /// Names of files in a ticket's text that it did not take; of more, their number.
  private static let notTakenMax = 10

  /// Makes of a mail what is planned: a ticket, or a reply to one.
  ///
  /// - Throws: ``LeaseLost``; ``Behind``; BACKEND_UNAVAILABLE and the like, after which the same can be tried again.
  func effect(
    of mail: IncomingMail, _ planned: InboundRecord, _ service: ServiceRecord, _ options: CallOptions
  ) async throws -> MailStore.Decision {
    var planned = planned
    let words = InboundWords(language: service.language)
    var text = mail.text
    var files = mail.files
    if let cut = Self.cut(text) {
      files.insert(
        IncomingMail.File(
          kind: .attached, name: "message.txt", contentType: "text/plain", bytes: Array(text.utf8)), at: 0)
      text = cut + "\n\n" + words.cutOff
    }
    if planned.sizeBytes > limits.messageBytesMax { text = words.tooLarge }
    if CanonicalText.isBlank(text) { text = words.noText }
    do {
      let sorted = files.filter { $0.kind != .inline } + files.filter { $0.kind == .inline }
      planned.attachmentIDs = try await upload(sorted, planned, service, options)
      let left = zip(sorted, planned.attachmentIDs).filter { $0.1 == Self.notTaken }.map(\.0.name)
      for name in left.prefix(Self.notTakenMax) { text += "\n\n[\(words.notTaken) \(name)]" }
      if left.count > Self.notTakenMax { text += "\n\n[\(words.more) \(left.count - Self.notTakenMax)]" }
      try await fix(planned, options.deadline)
      let ticket =
        planned.plan == .reply
        ? try await reply(text, planned, service, options)
        : try await inquiry(mail, text, words, planned, service, options)
      return try await noted(mail, planned, became: ticket, service, options.deadline)
    } catch let error as RPCError {
      let error = ServiceError(error)
      guard error.reason == .requestIDReused, let ticket = try await made(by: planned, options.deadline) else {
        return try refused(error, planned)
      }
      return try await noted(mail, planned, became: ticket, service, options.deadline)
    }
  }

  /// Sees to it that what a mail is going to be is fixed before it happens.
  ///
  /// - Throws: ``LeaseLost``; ``Behind`` when an earlier reply to the same ticket is not written yet.
  private func fix(_ planned: InboundRecord, _ deadline: Deadline) async throws {
    // Of an inquiry without files, all is fixed already.
    guard planned.plan == .reply || !planned.attachmentIDs.isEmpty else { return }
    switch try await store.plan(planned, deadline: deadline) {
    case .fixed: break
    case .behind(let earlier): throw Behind(earlier: earlier)
    case .leaseLost: throw LeaseLost()
    }
  }

  /// What a mail made before, with other words than it would now: a setting, or Handoff itself, was changed since. Nil:
  /// nothing that is remembered.
  private func made(by planned: InboundRecord, _ deadline: Deadline) async throws -> TicketID? {
    let method = planned.plan == .reply ? "AppendInquiry" : "CreateTicket"
    let found = try await ledger.outcome(
      ofRequest: Self.requestID(planned), by: "mail", method, deadline: deadline)
    // A reply that opened the next ticket has its id behind the entry's.
    guard let found, planned.plan == .reply, found.resultIDs.count > 1 else { return found?.ticket.ticketID }
    return TicketID(found.resultIDs[1])
  }

  /// What is noted of a mail that made a ticket or was added to one.
  private func noted(
    _ mail: IncomingMail, _ planned: InboundRecord, became ticket: TicketID, _ service: ServiceRecord,
    _ deadline: Deadline
  ) async throws -> MailStore.Decision {
    var decision = MailStore.Decision(state: planned.plan == .reply ? .reply : .ticket, ticketID: ticket)
    guard ticket != planned.ticketID else { return decision }
    // Who took part in a completed ticket takes part in the next one.
    let others = try await store.participants(of: planned.ticketID, in: service.id, deadline: deadline)
    let named = try await participants(of: mail, service, deadline)
    var seen: Set<String> = []
    decision.participants = (others + named).filter { seen.insert($0.address).inserted }
    return decision
  }

  /// People beside its sender to whom a mail is addressed. Addresses of ours are none.
  private func participants(
    of mail: IncomingMail, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws -> [ParticipantDraft] {
    var own = ownAddresses(service).union([senders.fallback.address.lowercased()])
    own.formUnion(mail.from.prefix(1).map(\.address))
    own.formUnion(mail.headers.filter { Self.deliveryHeaders.contains($0.name) }.map { Self.address($0.value) })
    let named = (mail.to + mail.cc).filter { person in
      !own.contains(tokens.withoutDetail(person.address)) && !own.contains(person.address)
        && tokens.ticket(inAddress: person.address) == .none && MailAddress(person.address) != nil
    }
    guard !named.isEmpty else { return [] }
    own = try await store.ownAddresses(
      among: named.flatMap { [$0.address, tokens.withoutDetail($0.address)] }, of: service.organizationID,
      deadline: deadline)
    return named.filter { !own.contains($0.address) && !own.contains(tokens.withoutDetail($0.address)) }
      .prefix(Self.participantsMax).map { person in
        ParticipantDraft(displayName: Self.prefix(person.displayName, Self.nameScalarsMax), address: person.address)
      }
  }

  /// `<Care@shop.example>` as addresses are compared.
  private static func address(_ value: String) -> String {
    value.filter { !" \t<>".contains($0) }.lowercased()
  }

  private func inquiry(
    _ mail: IncomingMail, _ text: String, _ words: InboundWords, _ planned: InboundRecord, _ service: ServiceRecord,
    _ options: CallOptions
  ) async throws -> TicketID {
    let sender = mail.from.first
    let title = Self.prefix(mail.subject, Self.titleScalarsMax)
    // An agent let it in, so who wrote it is told, though no answer can go there.
    let isAddress = sender.map { MailAddress($0.address) != nil } ?? false
    let address = Self.prefix(sender?.address ?? "", Self.addressScalarsMax)
    let written = isAddress || address.isEmpty ? "" : "[\(words.sender) \(address)]\n\n"
    let type = planned.submissionTypeID.map { SubmissionTypeName(service: service.code, id: $0) }
    let request = CreateTicketRequest(
      parent: service.name.description, title: CanonicalText.isBlank(title) ? words.noSubject : title,
      text: written + text,
      customer: TicketCustomer(
        displayName: Self.prefix(sender?.displayName ?? "", Self.nameScalarsMax),
        email: isAddress ? sender?.address ?? "" : ""),
      channel: .email,
      submissionType: type?.description ?? "",
      requestId: Self.requestID(planned), attachments: names(planned, service))
    guard let ticket = TicketName(try await create(request, options).name) else { throw ServiceError(.internal) }
    return ticket.id
  }

  /// Creates the ticket of a mail. A mail was written into no form: one that lacks what the type of its account asks
  /// for, or is longer than that allows, is no less welcome; its ticket gets its type from an agent.
  private func create(_ request: CreateTicketRequest, _ options: CallOptions) async throws -> Ticket {
    do {
      return try await tickets.createTicket(request, options)
    } catch let error as RPCError where Self.isOfType(ServiceError(error)) && !request.submissionType.isEmpty {
      var request = request
      request.submissionType = ""
      return try await tickets.createTicket(request, options)
    }
  }

  /// Whether a refusal may be due to the type: its form, or that it is offered no more.
  private static func isOfType(_ error: ServiceError) -> Bool {
    [.requestInvalid, .typeNotFound].contains(error.reason)
  }

  private func reply(
    _ text: String, _ planned: InboundRecord, _ service: ServiceRecord, _ options: CallOptions
  ) async throws -> TicketID {
    guard let ticket = planned.ticketID else { throw ServiceError(.internal) }
    let entry = try await tickets.appendInquiry(
      AppendInquiryRequest(
        parent: TicketName(service: service.code, id: ticket).description, text: text,
        requestId: Self.requestID(planned), channel: .email, attachments: names(planned, service)), options)
    // A completed ticket takes no replies; this one opened the next.
    return EntryName(entry.name)?.ticket.id ?? ticket
  }

  /// What follows when tickets refuses what was planned.
  ///
  /// - Throws: the error itself, when the same may work later.
  private func refused(_ error: ServiceError, _ planned: InboundRecord) throws -> MailStore.Decision {
    switch error.reason {
    case .ticketNotFound:
      return MailStore.Decision(state: .quarantined, reason: QuarantineReason.ticketGone.rawValue)
    case .transitionNotAllowed, .requestInvalid, .textRequired, .typeNotFound, .permissionDenied, .serviceNotFound:
      return MailStore.Decision(
        state: .quarantined, reason: QuarantineReason.refused.rawValue, ticketID: planned.ticketID)
    default: throw error
    }
  }

  /// In the place of a file that tickets do not take.
  private static let notTaken = AttachmentID(0)

  /// Uploads files as far as tickets take them; one id for each. What an earlier attempt uploaded stays as it is.
  private func upload(
    _ files: [IncomingMail.File], _ planned: InboundRecord, _ service: ServiceRecord, _ options: CallOptions
  ) async throws -> [AttachmentID] {
    if !planned.attachmentIDs.isEmpty { return planned.attachmentIDs }
    var ids: [AttachmentID] = []
    for file in files {
      guard ids.count(where: { $0 != Self.notTaken }) < AttachmentRules.filesMax,
        let name = AttachmentRules.name(of: file)
      else {
        ids.append(Self.notTaken)
        continue
      }
      do {
        ids.append(try await upload(file, as: name, service, options))
      } catch let error as RPCError {
        guard [.requestInvalid, .bodyTooLarge].contains(ServiceError(error).reason) else { throw error }
        ids.append(Self.notTaken)
      }
    }
    return ids
  }

  private func upload(
    _ file: IncomingMail.File, as name: String, _ service: ServiceRecord, _ options: CallOptions
  ) async throws -> AttachmentID {
    let parent = service.name.description
    let made = try await tickets.uploadAttachment(options) { writer in
      try await writer.send(UploadAttachmentRequest(part: .header(UploadHeader(parent: parent, fileName: name))))
      var rest = file.bytes[...]
      while !rest.isEmpty {
        let piece = rest.prefix(AttachmentRules.pieceBytes)
        rest = rest.dropFirst(piece.count)
        try await writer.send(UploadAttachmentRequest(part: .chunk(Array(piece))))
      }
    }
    guard let attachment = AttachmentName(made.name) else { throw ServiceError(.internal) }
    return attachment.id
  }

  private func names(_ planned: InboundRecord, _ service: ServiceRecord) -> [String] {
    planned.attachmentIDs.filter { $0 != Self.notTaken }
      .map { AttachmentName(service: service.code, id: $0).description }
  }

  /// The same for every attempt, so that what happened once does not happen again; another one after an agent took the
  /// mail up again.
  private static func requestID(_ planned: InboundRecord) -> String {
    "inbound/\(planned.serviceID)/\(planned.id)/\(planned.plan.rawValue)/\(planned.ticketID?.description ?? "new")"
  }

  /// Nil when a text is short enough.
  private static func cut(_ text: String) -> String? {
    text.unicodeScalars.count > textScalarsMax ? prefix(text, textScalarsMax) : nil
  }

  private static func prefix(_ text: String, _ count: Int) -> String {
    text.utf8.count <= count ? text : String(String.UnicodeScalarView(text.unicodeScalars.prefix(count)))
  }
}

/// What tickets takes as files; it has the last word.
enum AttachmentRules {
  /// Most files on an entry.
  static let filesMax = 5
  /// Bytes of a piece of an upload.
  static let pieceBytes = 256 << 10
  private static let bytesMax = 10 << 20
  private static let endings: Set<String> = [
    "jpg", "jpeg", "png", "gif", "bmp", "tif", "tiff", "pdf", "txt", "hwp", "xls", "xlsx", "doc", "docx", "ppt", "pptx",
    "mp3", "wav", "zip",
  ]

  /// The name under which a file can be taken; nil when it cannot. What is text under another ending, such as an
  /// invitation or an armoured key, is taken as text.
  static func name(of file: IncomingMail.File) -> String? {
    guard !file.bytes.isEmpty, file.bytes.count < bytesMax else { return nil }
    let ending = file.name.lastIndex(of: ".").map { file.name[file.name.index(after: $0)...].lowercased() } ?? ""
    if endings.contains(ending) { return file.name }
    let isText = !file.bytes.contains { $0 < 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D || $0 == 0x7F }
    let isReadable = file.kind == .calendar || file.kind == .message || file.kind == .sealed
    return isText && (isReadable || file.contentType.hasPrefix("text/")) ? "\(file.name).txt" : nil
  }
}

package import HandoffAPI
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

/// What a service's mails say beside the agent's words, and what they may not say.
extension MailService {
  /// Characters of a layout's subject.
  private static let subjectCharactersMax = 200
  /// Banned words in one change, of each direction.
  private static let wordsChangedMax = 1000
  /// Characters of a banned word.
  private static let wordCharactersMax = 100
  private static let wordsPageMax = 1000

  /// Lists the mail layouts of a service as they are now.
  ///
  /// - Throws: SERVICE_NOT_FOUND, also for an agent who is no member.
  package func listLayouts(_ request: ListLayoutsRequest, _ call: CallContext) async throws -> ListLayoutsResponse {
    let name = try ServiceName(request.parent, field: "parent")
    let service = try await ledger.access(call, serviceCode: name.code).service
    let layouts = try await store.layouts(of: service.id, deadline: call.deadline)
    let codes = layouts.reduce(into: Set<String>()) { $0.formUnion($1.fieldCodes) }
    let fields = try await store.knownFields(codes, of: service.id, deadline: call.deadline)
    return ListLayoutsResponse(layouts: layouts.map { $0.message(in: service, fields: fields) })
  }

  /// Saves a layout in the place of the one of its kind and language; what is there already stays.
  ///
  /// - Throws: SERVICE_NOT_FOUND, STALE_VERSION, LIMIT_REACHED, PERMISSION_DENIED, REQUEST_INVALID.
  package func createLayout(_ request: CreateLayoutRequest, _ call: CallContext) async throws -> Layout {
    var check = RequestCheck()
    check.name(request.parent, "parent", ServiceName.self)
    let wanted = request.layout ?? Layout()
    let kind = LayoutKind(wanted.kind)
    check.require(kind != nil, "layout.kind", "must be RESOLVED, PENDING or MANUAL")
    check.require(
      CanonicalText.isLanguage(wanted.language), "layout.language", "is not an ISO 639-1 code such as en")
    let subject = check.line(wanted.subject, "layout.subject", charactersMax: Self.subjectCharactersMax)
    let body = check.text(wanted.body, "layout.body", charactersMax: Self.textCharactersMax)
    check.require(
      LayoutText(body).codes.contains(.content), "layout.body",
      "must hold #{content}, where the agent's answer is to stand")
    let replaces: MailLayoutName? = check.optionalName(request.replaces, "replaces")
    try check.done()
    let service = try await administered(try ServiceName(request.parent, field: "parent").code, call)
    if let replaces, replaces.service != service.code { throw ServiceError(.layoutNotFound) }
    let draft = MailStore.LayoutDraft(kind: kind ?? .resolved, language: wanted.language, subject: subject, body: body)
    let saved = try await store.save(draft, replacing: replaces?.id, of: service, deadline: call.deadline)
    let fields = try await store.knownFields(saved.fieldCodes, of: service.id, deadline: call.deadline)
    return saved.message(in: service, fields: fields)
  }

  /// Takes a layout out of use; mails that wait keep it.
  ///
  /// - Throws: LAYOUT_NOT_FOUND, also for one that is out of use already, PERMISSION_DENIED, REQUEST_INVALID.
  package func deleteLayout(_ request: DeleteLayoutRequest, _ call: CallContext) async throws -> Empty {
    let name = try MailLayoutName(request.name, field: "name")
    let service = try await administered(name.service, call)
    guard try await store.retire(name.id, of: service.id, deadline: call.deadline) else {
      throw ServiceError(.layoutNotFound)
    }
    return Empty()
  }

  /// Lists the words that may not leave a service, in the order in which they were added.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PAGE_TOKEN_INVALID, PERMISSION_DENIED, REQUEST_INVALID.
  package func listBannedWords(
    _ request: ListBannedWordsRequest, _ call: CallContext
  ) async throws -> ListBannedWordsResponse {
    let name = try ServiceName(request.parent, field: "parent")
    let service = try await administered(name.code, call)
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 200, sizeMax: Self.wordsPageMax,
      scope: "ListBannedWords \(name)", key: ledger.key.pages)
    let found = try await store.bannedWords(
      of: service.id, after: page.after, limit: page.size + 1, deadline: call.deadline)
    let last = found.count > page.size ? found[page.size - 1] : nil
    return ListBannedWordsResponse(
      words: found.prefix(page.size).map(\.word), nextPageToken: last.map { page.token(after: $0.id) } ?? "")
  }

  /// Adds and removes words that may not leave a service, all of it or nothing.
  ///
  /// - Throws: SERVICE_NOT_FOUND, LIMIT_REACHED, PERMISSION_DENIED, REQUEST_INVALID.
  package func changeBannedWords(
    _ request: ChangeBannedWordsRequest, _ call: CallContext
  ) async throws -> ChangeBannedWordsResponse {
    var check = RequestCheck()
    check.name(request.parent, "parent", ServiceName.self)
    let added = Self.words(request.added, "added", &check)
    let removed = Self.words(request.removed, "removed", &check)
    // What is empty was noted above.
    for (index, word) in added.enumerated() where !word.isEmpty {
      check.require(
        !FoldedText(word).letters.isEmpty, "added[\(index)]", "has no character that can be seen")
    }
    let both = Set(added).intersection(removed)
    check.require(both.isEmpty, "removed", "must not name what is added")
    try check.done()
    let service = try await administered(try ServiceName(request.parent, field: "parent").code, call)
    let changed = try await store.changeBannedWords(
      of: service, adding: added, removing: removed, deadline: call.deadline)
    bannedWords.forget(service.id)
    return ChangeBannedWordsResponse(
      addedCount: changed.added, removedCount: changed.removed, wordCount: changed.all)
  }

  private static func words(_ words: [String], _ field: String, _ check: inout RequestCheck) -> [String] {
    check.require(words.count <= wordsChangedMax, field, "must be at most \(wordsChangedMax)")
    return words.prefix(wordsChangedMax).enumerated().map { index, word in
      check.line(word, "\(field)[\(index)]", charactersMax: wordCharactersMax)
    }
  }

  private func administered(_ code: String, _ call: CallContext) async throws -> ServiceRecord {
    let access = try await ledger.access(call, serviceCode: code)
    try access.require(.administrator)
    return access.service
  }
}

extension MailStore.LayoutVersion {
  /// The layout in the API.
  ///
  /// - Parameter fields: the codes of fields that mean something.
  fileprivate func message(in service: ServiceRecord, fields: Set<String>) -> Layout {
    Layout(
      name: MailLayoutName(service: service.code, id: id).description, kind: Layout.Kind(kind), language: language,
      subject: subject, body: body,
      unknownCodes: AnswerText.unknownCodes(LayoutText(subject), LayoutText(body), hasField: fields.contains))
  }
}

extension Layout.Kind {
  fileprivate init(_ kind: LayoutKind) {
    self =
      switch kind {
      case .resolved: .resolved
      case .pending: .pending
      case .manual: .manual
      }
  }
}

extension LayoutKind {
  /// Nil for what is none.
  fileprivate init?(_ kind: Layout.Kind) {
    switch kind {
    case .resolved: self = .resolved
    case .pending: self = .pending
    case .manual: self = .manual
    default: return nil
    }
  }
}

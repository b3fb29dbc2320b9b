import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// Changes of layouts and banned words.
extension MailStore {
  /// Most layouts of a service that are in use.
  static let layoutsMax = 100

  /// A layout to be saved.
  struct LayoutDraft: Sendable {
    let kind: LayoutKind
    /// ISO 639-1.
    let language: String
    let subject: String
    let body: String
  }

  /// Puts a layout in the place of the one of its kind and language, which stays for the mails that were prepared with
  /// it. What is there already stays in use.
  ///
  /// - Parameter replaced: the layout that the caller saw in this place; nil: none.
  /// - Throws: STALE_VERSION naming the one in use, LIMIT_REACHED.
  func save(
    _ draft: LayoutDraft, replacing replaced: Int64?, of service: ServiceRecord, deadline: Deadline
  ) async throws -> LayoutVersion {
    try await ServiceError.translating {
      try await pool.transaction(deadline: deadline) { transaction in
        try await Self.waitForTurn(service.id, transaction)
        let current = try await transaction.query(
          """
          SELECT id, kind, language, subject, body FROM mail_layout
          WHERE service_id = \(service.id) AND kind = \(draft.kind) AND language = \(draft.language) AND is_current
          """
        ).first.map(LayoutVersion.init)
        if let current, current.subject == draft.subject, current.body == draft.body { return current }
        guard current?.id == replaced else {
          let name = current.map { MailLayoutName(service: service.code, id: $0.id).description } ?? ""
          throw ServiceError(
            .staleVersion,
            name.isEmpty
              ? "the layout that this one replaces is out of use; list the layouts, then decide"
              : "\(name) is in use for this kind and language; read it, then decide", metadata: ["current": name])
        }
        if current == nil {
          let count: Int64 = try await transaction.query(
            "SELECT count(*) FROM mail_layout WHERE service_id = \(service.id) AND is_current")[0].value(0)
          guard count < Self.layoutsMax else {
            throw ServiceError(.limitReached, "a service has at most \(Self.layoutsMax) layouts; delete one first")
          }
        }
        if let current { _ = try await transaction.execute(Self.retiring(current.id, of: service.id)) }
        return try LayoutVersion(
          try await transaction.query(
            """
            INSERT INTO mail_layout (service_id, kind, language, version, subject, body)
            SELECT \(service.id), \(draft.kind), \(draft.language), coalesce(max(o.version), 0) + 1, \(draft.subject),
              \(draft.body)
            FROM mail_layout AS o
            WHERE o.service_id = \(service.id) AND o.kind = \(draft.kind) AND o.language = \(draft.language)
            RETURNING id, kind, language, subject, body
            """)[0])
      }
    }
  }

  /// Takes a layout out of use; false when none of this id is in use.
  func retire(_ layout: Int64, of service: ServiceID, deadline: Deadline) async throws -> Bool {
    try await ServiceError.translating {
      try await pool.transaction(deadline: deadline) { transaction in
        try await transaction.execute(Self.retiring(layout, of: service)) > 0
      }
    }
  }

  private static func retiring(_ layout: Int64, of service: ServiceID) -> Query {
    "UPDATE mail_layout SET is_current = false WHERE service_id = \(service) AND id = \(layout) AND is_current"
  }

  /// Banned words of a service behind the one with the id `after`, in the order in which they were added.
  func bannedWords(
    of service: ServiceID, after: Int64, limit: Int, deadline: Deadline
  ) async throws -> [(id: Int64, word: String)] {
    try await query(
      """
      SELECT id, word FROM banned_word WHERE service_id = \(service) AND id > \(after) ORDER BY id LIMIT \(limit)
      """, deadline: deadline
    ).map { (id: try $0.int64(0), word: try $0.string(1)) }
  }

  /// Adds and removes banned words.
  ///
  /// - Returns: how many were not banned before, how many were, and how many are banned now.
  /// - Throws: LIMIT_REACHED when there would be more than ``bannedWordsMax``.
  func changeBannedWords(
    of service: ServiceRecord, adding added: [String], removing removed: [String], deadline: Deadline
  ) async throws -> (added: Int32, removed: Int32, all: Int32) {
    try await ServiceError.translating {
      try await pool.transaction(deadline: deadline) { transaction in
        try await Self.waitForTurn(service.id, transaction)
        let gone = try await transaction.execute(
          "DELETE FROM banned_word WHERE service_id = \(service.id) AND word = ANY(\(removed))")
        let new = try await transaction.execute(
          """
          INSERT INTO banned_word (service_id, word)
          SELECT \(service.id), a.word FROM unnest(\(added)) WITH ORDINALITY AS a (word, place) ORDER BY a.place
          ON CONFLICT DO NOTHING
          """)
        let all: Int64 = try await transaction.query(
          "SELECT count(*) FROM banned_word WHERE service_id = \(service.id)")[0].value(0)
        guard all <= Self.bannedWordsMax else {
          throw ServiceError(
            .limitReached, "a service has at most \(Self.bannedWordsMax) banned words; remove some first")
        }
        return (Int32(clamping: new), Int32(clamping: gone), Int32(clamping: all))
      }
    }
  }

  /// One change of a service's wording at a time.
  private static func waitForTurn(_ service: ServiceID, _ transaction: PostgresTransaction) async throws {
    _ = try await transaction.query("SELECT pg_advisory_xact_lock(hashtextextended(\("wording \(service)"), 0))")
  }
}

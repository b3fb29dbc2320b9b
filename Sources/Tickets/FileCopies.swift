import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// Files that cross an escalation, as copies: each service has contents of its own, which are stored once there.
struct FileCopies: Sendable {
  private let from: ServiceID
  private let to: ServiceID
  private let originals: [AttachmentID]
  /// What the copies will be, in the order of the originals.
  private let files: [StoredFile]
  private var ids: [AttachmentID] { files.map(\.id) }

  fileprivate init(of originals: [AttachmentID], from: ServiceID, to: ServiceID, files: [StoredFile]) {
    (self.originals, self.from, self.to, self.files) = (originals, from, to, files)
  }

  /// What the event of the entry that gets them records.
  var notes: [CodeChange] { files.notes }

  /// The copies' names by those of the originals.
  ///
  /// - Parameters:
  ///   - source: the code of the service of the originals.
  ///   - target: that of the copies.
  func names(from source: String, in target: String) -> [String: String] {
    let pairs = zip(originals, ids).map { original, copy in
      (
        AttachmentName(service: source, id: original).description,
        AttachmentName(service: target, id: copy).description
      )
    }
    return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
  }

  /// The statement that makes them, to be a companion behind that of the entry that they are put on. It fails as a lost
  /// race does when an original is gone.
  func statement(on entry: EntryID, of ticket: TicketID) -> Query {
    """
    WITH file AS (
      SELECT c.copy_id, f.file_name, f.content_type, f.uploader, f.content_id, k.hash, k.size_bytes
      FROM unnest(\(originals), \(ids)) AS c (id, copy_id)
        JOIN attachment AS f ON f.service_id = \(from) AND f.id = c.id
        JOIN attachment_content AS k ON k.service_id = f.service_id AND k.id = f.content_id
    ), content AS (
      INSERT INTO attachment_content AS n (service_id, hash, size_bytes)
      SELECT DISTINCT \(to), file.hash, file.size_bytes FROM file
      ON CONFLICT (service_id, hash) WHERE hash IS NOT NULL DO UPDATE SET size_bytes = excluded.size_bytes
      RETURNING n.id, n.hash, n.xmax = 0 AS is_new
    ), piece AS (
      INSERT INTO attachment_chunk (service_id, content_id, number, bytes)
      SELECT \(to), content.id, h.number, h.bytes
      FROM content JOIN (SELECT DISTINCT file.hash, file.content_id FROM file) AS o ON o.hash = content.hash
        JOIN attachment_chunk AS h ON h.service_id = \(from) AND h.content_id = o.content_id
      WHERE content.is_new
    ), copied AS (
      INSERT INTO attachment (service_id, id, content_id, file_name, content_type, uploader, ticket_id, entry_id)
      SELECT \(to), file.copy_id, content.id, file.file_name, file.content_type, file.uploader, \(ticket), \(entry)
      FROM file JOIN content ON content.hash = file.hash RETURNING id
    )
    SELECT 1 / CASE WHEN count(*) = \(Int64(ids.count)) THEN 1 ELSE 0 END FROM copied
    """
  }
}

extension TicketStore {
  /// What copies files of one service to another; nil when there are none.
  func copies(
    of originals: [AttachmentID], from: ServiceID, to: ServiceID, deadline: Deadline
  ) async throws -> FileCopies? {
    guard !originals.isEmpty else { return nil }
    // An original that is gone has no hash, and the statement that would copy it fails.
    let files = try await ServiceError.translating {
      try await pool.query(
        """
        SELECT nextval('attachment_id_seq'), coalesce(k.hash, '')
        FROM unnest(\(originals)) WITH ORDINALITY AS o (id, place)
          LEFT JOIN attachment AS f ON f.service_id = \(from) AND f.id = o.id
          LEFT JOIN attachment_content AS k ON k.service_id = f.service_id AND k.id = f.content_id
        ORDER BY o.place
        """, deadline: deadline
      ).map { StoredFile(id: try $0.value(0), hash: try $0.value(1)) }
    }
    return FileCopies(of: originals, from: from, to: to, files: files)
  }

  /// The issue services in which a ticket answers a consultation ticket, or did.
  func services(answering source: TicketLink, deadline: Deadline) async throws -> [ServiceID] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT DISTINCT t.service_id FROM ticket AS t WHERE t.source_service_id = \(source.serviceID)
          AND t.source_ticket_id = \(source.ticketID) AND t.delete_time IS NULL
        """, deadline: deadline
      ).map { try $0.value(0) }
    }
  }
}

import EventLoop
import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// A row of `attachment`.
struct AttachmentRecord: Sendable {
  let id: AttachmentID
  let contentID: Int64
  let fileName: String
  let contentType: String
  let sizeBytes: Int64
  let uploader: String
  let ticketID: TicketID?
  let entryID: EntryID?
  let createTime: Instant
  let hash: [UInt8]

  static let columns: Query = """
    f.id, f.content_id, f.file_name, f.content_type, k.size_bytes, f.uploader, f.ticket_id, f.entry_id, f.create_time, \
    k.hash
    """

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    contentID = try row.value(1)
    fileName = try row.value(2)
    contentType = try row.value(3)
    sizeBytes = try row.value(4)
    uploader = try row.value(5)
    ticketID = try row.value(6)
    entryID = try row.value(7)
    createTime = try row.value(8)
    hash = try row.value(9)
  }

  func message(in service: String) -> Attachment {
    Attachment(
      name: AttachmentName(service: service, id: id).description, fileName: fileName, contentType: contentType,
      sizeBytes: sizeBytes, createTime: Timestamp(createTime))
  }
}

extension TicketStore {
  /// Begins a content; its pieces follow.
  func beginContent(in service: ServiceID, deadline: Deadline) async throws -> Int64 {
    try await ServiceError.translating {
      try await pool.query(
        "INSERT INTO attachment_content (service_id) VALUES (\(service)) RETURNING id", deadline: deadline)[0].int64(0)
    }
  }

  /// Adds a piece of a content.
  func addChunk(
    _ bytes: [UInt8], number: Int32, to content: Int64, in service: ServiceID, deadline: Deadline
  ) async throws {
    _ = try await ServiceError.translating {
      try await pool.query(
        """
        INSERT INTO attachment_chunk (service_id, content_id, number, bytes)
        VALUES (\(service), \(content), \(number), \(bytes))
        """, deadline: deadline)
    }
  }

  /// Removes a content that will not be finished; what is left behind when even that fails goes with the next clean-up.
  func dropContent(_ content: Int64, in service: ServiceID, deadline: Deadline) async {
    _ = try? await pool.query(
      "DELETE FROM attachment_content WHERE service_id = \(service) AND id = \(content) AND hash IS NULL",
      deadline: deadline)
  }

  /// Finishes an upload: the attachment points to the content that has this hash already, or to the new one.
  ///
  /// - Throws: CONFLICT when the same content is being finished elsewhere; sent again, the upload finds that one.
  func finishUpload(
    _ content: Int64, hash: [UInt8], sizeBytes: Int64, fileName: String, type: FileType, uploader: String,
    in service: ServiceID, deadline: Deadline
  ) async throws -> AttachmentID {
    do {
      return try await pool.transaction(deadline: deadline) { transaction in
        // Kept from the clean-up while it gets one more attachment.
        let known = try await transaction.query(
          """
          SELECT k.id FROM attachment_content AS k WHERE k.service_id = \(service) AND k.hash = \(hash) FOR UPDATE
          """)
        let used = try known.first?.int64(0) ?? content
        if used == content {
          _ = try await transaction.query(
            """
            UPDATE attachment_content SET hash = \(hash), size_bytes = \(sizeBytes)
            WHERE service_id = \(service) AND id = \(content)
            """)
        } else {
          _ = try await transaction.query(
            "DELETE FROM attachment_content WHERE service_id = \(service) AND id = \(content)")
        }
        return try await transaction.query(
          """
          INSERT INTO attachment (service_id, content_id, file_name, content_type, uploader)
          VALUES (\(service), \(used), \(fileName), \(type.contentType), \(uploader)) RETURNING id
          """)[0].value(0)
      }
    } catch let error as PostgresError {
      guard error.violates("attachment_content_hash_key") else { throw ServiceError(postgres: error) }
      throw ServiceError(.conflict, cause: error)
    }
  }

  /// Attachments by their ids; those that are none are missing in the answer.
  func attachments(
    _ ids: [AttachmentID], of service: ServiceID, deadline: Deadline
  ) async throws -> [AttachmentRecord] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: AttachmentRecord.columns) FROM attachment AS f
        JOIN attachment_content AS k ON k.service_id = f.service_id AND k.id = f.content_id
        WHERE f.service_id = \(service) AND f.id = ANY(\(ids)) ORDER BY f.id
        """, deadline: deadline
      ).map { try AttachmentRecord($0) }
    }
  }

  /// Ids of all attachments of a ticket.
  func attachmentIDs(of ticket: TicketRecord, deadline: Deadline) async throws -> [AttachmentID] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT f.id FROM attachment AS f WHERE f.service_id = \(ticket.serviceID) AND f.ticket_id = \(ticket.id)
        """, deadline: deadline
      ).map { try $0.value(0) }
    }
  }

  /// Attachments of some entries of a ticket.
  func attachments(
    on entries: [EntryID], of ticket: TicketRecord, deadline: Deadline
  ) async throws -> [AttachmentRecord] {
    guard !entries.isEmpty else { return [] }
    return try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: AttachmentRecord.columns) FROM attachment AS f
        JOIN attachment_content AS k ON k.service_id = f.service_id AND k.id = f.content_id
        WHERE f.service_id = \(ticket.serviceID) AND f.ticket_id = \(ticket.id) AND f.entry_id = ANY(\(entries))
        ORDER BY f.entry_id, f.id
        """, deadline: deadline
      ).map { try AttachmentRecord($0) }
    }
  }

  /// A piece of a content; nil behind the last one.
  func chunk(
    _ number: Int32, of content: Int64, in service: ServiceID, deadline: Deadline
  ) async throws -> [UInt8]? {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT h.bytes FROM attachment_chunk AS h
        WHERE h.service_id = \(service) AND h.content_id = \(content) AND h.number = \(number)
        """, deadline: deadline
      ).first?.value(0)
    }
  }

  /// The statement that puts attachments on an entry, to be a companion of the change that makes the entry: when one of
  /// them was used meanwhile, it fails as a lost race does, and everything with it.
  static func attach(
    _ ids: [AttachmentID], to entry: EntryID, of ticket: TicketID, in service: ServiceID
  ) -> Query {
    """
    WITH used AS (
      UPDATE attachment SET ticket_id = \(ticket), entry_id = \(entry)
      WHERE service_id = \(service) AND id = ANY(\(ids)) AND ticket_id IS NULL RETURNING id
    )
    SELECT 1 / CASE WHEN count(*) = \(Int64(ids.count)) THEN 1 ELSE 0 END FROM used
    """
  }

  /// Removes uploads that were not finished within an hour, attachments that were not used within a day, and contents
  /// that nothing points to; at most so many of each.
  ///
  /// - Returns: how many rows went.
  func removeUnusedAttachments(limit: Int, deadline: Deadline) async throws -> Int {
    try await ServiceError.translating {
      let answers = try await pool.transactionBatch(
        [
          """
          DELETE FROM attachment_content WHERE (service_id, id) IN (
            SELECT k.service_id, k.id FROM attachment_content AS k
            WHERE k.hash IS NULL AND k.create_time < now() - interval '1 hour' LIMIT \(limit)
            FOR UPDATE SKIP LOCKED)
          """,
          """
          WITH gone AS (
            DELETE FROM attachment WHERE (service_id, id) IN (
              SELECT f.service_id, f.id FROM attachment AS f
              WHERE f.ticket_id IS NULL AND f.create_time < now() - interval '1 day' LIMIT \(limit)
              FOR UPDATE SKIP LOCKED)
            RETURNING service_id, content_id
          )
          SELECT DISTINCT service_id, content_id FROM gone
          """,
        ], deadline: deadline)
      // In statements of their own, which see that the attachments are gone; whoever uses a content again meanwhile
      // holds its row, and is seen.
      for row in answers[1] {
        let (service, content) = (try row.int64(0), try row.int64(1))
        _ = try await pool.query(
          """
          DELETE FROM attachment_content AS k WHERE k.service_id = \(service) AND k.id = \(content)
            AND NOT EXISTS (SELECT FROM attachment AS f WHERE f.service_id = k.service_id AND f.content_id = k.id)
          """, deadline: deadline)
      }
      return answers[0].affected + answers[1].count
    }
  }
}

import Crypto
package import EventLoop
package import HandoffAPI
import Postgres
import RPCProtos
package import ServiceKit

/// The attachments that a request names.
package struct AttachmentList: Sendable {
  /// Most files on an entry.
  package static let filesMax = 5
  /// Most bytes of the files on an answer that is mailed. Written as mails are, they have a third more, and many mail
  /// servers take 25 MB.
  package static let mailedBytesMax: Int64 = 15 << 20

  /// Their names, each of them once.
  package private(set) var names: [AttachmentName] = []
  /// Their ids.
  package var ids: [AttachmentID] { names.map(\.id) }
  /// Whether there are none.
  package var isEmpty: Bool { names.isEmpty }

  /// None.
  package init() {}

  /// Reads the names of a request's `attachments` and notes what is wrong with them.
  package init(_ texts: [String], _ check: inout RequestCheck) {
    check.require(texts.count <= Self.filesMax, "attachments", "must be at most \(Self.filesMax)")
    check.require(Set(texts).count == texts.count, "attachments", "must name each file once")
    names = texts.prefix(Self.filesMax).enumerated().compactMap { index, text in
      check.value("attachments[\(index)]") { () throws(ServiceError) in
        try AttachmentName(text, field: "attachments[\(index)]")
      }
    }
  }
}

/// A file as the event records it that puts it on a ticket.
package struct StoredFile: Sendable {
  /// The event's field for its id.
  static let idField = "attachment"
  /// The event's field for its hash, behind that for its id.
  static let hashField = "attachment.sha256"

  /// Its attachment.
  package let id: AttachmentID
  /// SHA-256 of what is in it.
  package let hash: [UInt8]

  /// Describes a file.
  package init(id: AttachmentID, hash: [UInt8]) { (self.id, self.hash) = (id, hash) }
}

extension Sequence<StoredFile> {
  /// What an event records of files.
  package var notes: [CodeChange] {
    flatMap { file in
      [
        CodeChange(StoredFile.idField, "", file.id.description),
        CodeChange(StoredFile.hashField, "", Hex.encode(file.hash)),
      ]
    }
  }
}

/// Files that their uploader may put on a ticket.
package struct Uploads: Sendable {
  /// As the API tells of them.
  package private(set) var attachments: [Attachment] = []
  /// As an event records them.
  package private(set) var files: [StoredFile] = []

  /// None.
  package init() {}

  fileprivate init(_ rows: Rows, of service: ServiceRecord) throws(PostgresError) {
    for row in rows {
      let id: AttachmentID = try row.value(0)
      files.append(StoredFile(id: id, hash: try row.value(5)))
      attachments.append(
        Attachment(
          name: AttachmentName(service: service.code, id: id).description, fileName: try row.value(1),
          contentType: try row.value(2), sizeBytes: try row.value(3), createTime: Timestamp(try row.value(4))))
    }
  }
}

extension TicketLedger {
  /// The files that a request names, in the order in which they were uploaded: all the caller's own and not used yet.
  ///
  /// - Parameter areMailed: whether they go with an answer to the customer.
  /// - Throws: ATTACHMENT_NOT_FOUND; REQUEST_INVALID when they are too large for a mail.
  @discardableResult
  package func unusedUploads(
    _ attachments: AttachmentList, of access: Access, areMailed: Bool = false, deadline: Deadline
  ) async throws -> Uploads {
    guard !attachments.isEmpty else { return Uploads() }
    let service = access.service
    guard attachments.names.allSatisfy({ $0.service == service.code }) else { throw ServiceError(.attachmentNotFound) }
    let found = try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT f.id, f.file_name, f.content_type, k.size_bytes, f.create_time, k.hash FROM attachment AS f
        JOIN attachment_content AS k ON k.service_id = f.service_id AND k.id = f.content_id
        WHERE f.service_id = \(service.id) AND f.id = ANY(\(attachments.ids)) AND f.ticket_id IS NULL
          AND f.uploader = \(access.claimant) ORDER BY f.id
        """, deadline: deadline)
      return try Uploads(rows, of: service)
    }
    guard found.files.count == attachments.ids.count else {
      throw ServiceError(.attachmentNotFound, "an attachment is used already, or was not uploaded by you")
    }
    let sizeBytes = found.attachments.reduce(0) { $0 + $1.sizeBytes }
    guard !areMailed || sizeBytes <= AttachmentList.mailedBytesMax else {
      throw ServiceError.invalid(
        "attachments",
        "have \((sizeBytes + (1 << 20) - 1) >> 20) MB together, and a mail to the customer takes "
          + "\(AttachmentList.mailedBytesMax >> 20) MB of files; take some off, or send them with another answer")
    }
    return found
  }
}

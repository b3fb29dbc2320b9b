import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension MailStore {
  /// A file on an answer, without its content.
  struct AnswerFile: Sendable {
    let contentID: Int64
    let name: String
    let contentType: String
    let sizeBytes: Int64

    init(_ row: Row) throws {
      (contentID, name) = (try row.int64(0), try row.string(1))
      (contentType, sizeBytes) = (try row.string(2), try row.int64(3))
    }
  }

  /// The files on an answer, in the order in which they were uploaded, under the names that masks have left them.
  static func files(on entry: EntryID?, of ticket: TicketID, in service: ServiceID) -> Query {
    """
    SELECT f.content_id, f.file_name, f.content_type, k.size_bytes FROM attachment AS f
    JOIN attachment_content AS k ON k.service_id = f.service_id AND k.id = f.content_id
    WHERE f.service_id = \(service) AND f.ticket_id = \(ticket) AND f.entry_id = \(entry) ORDER BY f.id
    """
  }

  /// The content of a file, read piece by piece.
  ///
  /// - Throws: INTERNAL when it is not all there; the database's errors as `ServiceError`.
  func content(of file: AnswerFile, in service: ServiceID, deadline: Deadline) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(file.sizeBytes))
    for number in Int32(1)... {
      let piece: [UInt8]? = try await query(
        """
        SELECT h.bytes FROM attachment_chunk AS h
        WHERE h.service_id = \(service) AND h.content_id = \(file.contentID) AND h.number = \(number)
        """, deadline: deadline
      ).first?.value(0)
      guard let piece else { break }
      bytes += piece
    }
    guard bytes.count == Int(file.sizeBytes) else { throw ServiceError(.internal) }
    return bytes
  }
}

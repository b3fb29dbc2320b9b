import RPC
import ServiceKit

/// The body of one HTTP request that goes on as it comes: a file, or a mail. Beside what waits in the windows of the
/// two connections, not more than two pieces of it are held.
struct IncomingFile: Sendable {
  /// Bytes of each piece but the last.
  private static let pieceBytes = 64 << 10
  /// What somebody is told whose gzip is none.
  static let brokenGzip = ServiceError.invalid("body", "is no gzip")

  private let pieces: RequestStream<[UInt8]>
  private let isCompressed: Bool

  init(_ pieces: RequestStream<[UInt8]>, isCompressed: Bool) {
    self.pieces = pieces
    self.isCompressed = isCompressed
  }

  /// Reads it to the end, in pieces of a length that is worth a message.
  ///
  /// - Throws: REQUEST_INVALID for broken gzip; ``RPCError`` when the client has left; what `take` throws.
  func read(_ take: (_ piece: [UInt8]) async throws -> Void) async throws {
    var waiting: [UInt8] = []
    let expanding = isCompressed ? try GzipReader() : nil
    for try await bytes in pieces {
      guard let expanding else {
        waiting += bytes
        try await Self.pass(&waiting, take)
        continue
      }
      expanding.feed(bytes)
      while let more = try Self.next(of: expanding) {
        waiting += more
        try await Self.pass(&waiting, take)
      }
    }
    if let expanding, !expanding.isComplete { throw Self.brokenGzip }
    if !waiting.isEmpty { try await take(waiting) }
  }

  private static func pass(_ waiting: inout [UInt8], _ take: (_ piece: [UInt8]) async throws -> Void) async throws {
    while waiting.count >= pieceBytes {
      let piece = Array(waiting.prefix(pieceBytes))
      waiting.removeFirst(pieceBytes)
      try await take(piece)
    }
  }

  private static func next(of expanding: GzipReader) throws -> [UInt8]? {
    do { return try expanding.next() } catch { throw brokenGzip }
  }
}

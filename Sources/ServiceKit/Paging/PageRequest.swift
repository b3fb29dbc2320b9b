import Crypto

/// Which page of a list a caller wants, by the key of the last row it has seen.
///
/// Tokens are opaque, and good for the list that gave them only: the same method, parent and filters.
package struct PageRequest: Sendable, Equatable {
  /// Most rows of a page; a caller who asks for more gets these.
  package static let sizeMax = 200

  /// How many rows to return.
  package let size: Int
  /// The key of the last row of the page before; 0 for the first page.
  package let after: Int64
  private let scope: [UInt8]
  private static let scopeBytes = 8

  /// Reads the two fields of a request.
  ///
  /// - Parameters:
  ///   - scope: What the list is about, filters included; a token of another scope is refused.
  /// - Throws: REQUEST_INVALID for a negative size, PAGE_TOKEN_INVALID for a token that this list did not give.
  package init(_ token: String, size: Int32, sizeDefault: Int, scope: String) throws(ServiceError) {
    guard size >= 0 else { throw .invalid("page_size", "must not be negative") }
    self.size = Self.size(size, sizeDefault: sizeDefault)
    self.scope = Array(SHA256.hash(scope).prefix(Self.scopeBytes))
    guard !token.isEmpty else {
      after = 0
      return
    }
    guard token.utf8.count <= 64, let bytes = Base64URL.decode(token), bytes.count == Self.scopeBytes + 8,
      Array(bytes.prefix(Self.scopeBytes)) == self.scope
    else { throw ServiceError(.pageTokenInvalid) }
    after = bytes.suffix(8).reduce(0) { $0 << 8 | Int64($1) }
  }

  /// How many rows to return where so many are asked for, which must not be negative; 0 is the default.
  package static func size(_ size: Int32, sizeDefault: Int) -> Int {
    size == 0 ? sizeDefault : min(Int(size), sizeMax)
  }

  /// The token of the page behind a row.
  package func token(after key: Int64) -> String {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: key >> (56 - 8 * Int64($0))) }
    return Base64URL.encode(scope + bytes)
  }
}

import Crypto

/// Which page of a list a caller wants, by the key of the last row it has seen.
///
/// Tokens are opaque, and good for the list that gave them only: the same method, parent and filters. They hold
/// nobody's words, only behind which row of a list that the caller may read to go on, and the list checks that right
/// with every page; so they need no key. Those of lists of tickets hold titles, and are sealed.
package struct PageRequest: Sendable, Equatable {
  /// Most rows of a page, where a list has no limit of its own.
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
  /// - Throws: REQUEST_INVALID for a size that the list does not have, PAGE_TOKEN_INVALID for a token that it did not
  ///   give.
  package init(
    _ token: String, size: Int32, sizeDefault: Int, sizeMax: Int = Self.sizeMax, scope: String
  ) throws(ServiceError) {
    var check = RequestCheck()
    let size = check.pageSize(size, sizeDefault: sizeDefault, sizeMax: sizeMax)
    try check.done()
    try self.init(token, size: size, scope: scope)
  }

  /// Reads the token of a request whose size was read with everything else that it says, so that all that is wrong
  /// with it is told at once.
  ///
  /// - Parameters:
  ///   - size: How many rows; see ``RequestCheck/pageSize(_:sizeDefault:sizeMax:)``.
  ///   - scope: What the list is about, filters included; a token of another scope is refused.
  /// - Throws: PAGE_TOKEN_INVALID for a token that the list did not give.
  package init(_ token: String, size: Int, scope: String) throws(ServiceError) {
    self.size = size
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

  /// The token of the page behind a row.
  package func token(after key: Int64) -> String {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: key >> (56 - 8 * Int64($0))) }
    return Base64URL.encode(scope + bytes)
  }
}

extension RequestCheck {
  /// How many rows to return: as many as `page_size` asks for, which is 1 to `sizeMax`, or `sizeDefault` for 0.
  package mutating func pageSize(_ size: Int32, sizeDefault: Int, sizeMax: Int = PageRequest.sizeMax) -> Int {
    require((0...sizeMax).contains(Int(size)), "page_size", "must be 1 to \(sizeMax); 0 is taken as \(sizeDefault)")
    return size == 0 ? sizeDefault : Int(size)
  }
}

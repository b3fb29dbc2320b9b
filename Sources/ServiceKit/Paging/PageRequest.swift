package import Crypto

/// Which page of a list a caller wants, by the key of the last row it has seen.
///
/// Tokens are opaque, and good for the list that gave them only: the same method, parent and filters. Each has a code
/// under a key, so nobody else can make one. They hold nobody's words, only behind which row to go on; those of lists
/// of tickets hold titles, and are sealed.
package struct PageRequest: Sendable {
  /// Most rows of a page, where a list has no limit of its own.
  package static let sizeMax = 200

  /// How many rows to return.
  package let size: Int
  /// The key of the last row of the page before; 0 for the first page.
  package let after: Int64
  private let scope: String
  private let key: PageKey

  /// Reads the two fields of a request.
  ///
  /// - Parameters:
  ///   - scope: What the list is about, filters included; a token of another scope is refused.
  /// - Throws: REQUEST_INVALID for a size that the list does not have, PAGE_TOKEN_INVALID for a token that it did not
  ///   give.
  package init(
    _ token: String, size: Int32, sizeDefault: Int, sizeMax: Int = Self.sizeMax, scope: String, key: PageKey
  ) throws(ServiceError) {
    var check = RequestCheck()
    let size = check.pageSize(size, sizeDefault: sizeDefault, sizeMax: sizeMax)
    try check.done()
    try self.init(token, size: size, scope: scope, key: key)
  }

  /// Reads the token of a request whose size was read with everything else that it says, so that all that is wrong
  /// with it is told at once.
  ///
  /// - Parameters:
  ///   - size: How many rows; see ``RequestCheck/pageSize(_:sizeDefault:sizeMax:)``.
  ///   - scope: What the list is about, filters included; a token of another scope is refused.
  /// - Throws: PAGE_TOKEN_INVALID for a token that the list did not give.
  package init(_ token: String, size: Int, scope: String, key: PageKey) throws(ServiceError) {
    self.size = size
    self.scope = scope
    self.key = key
    guard !token.isEmpty else {
      after = 0
      return
    }
    guard token.utf8.count <= 64, let bytes = Base64URL.decode(token), bytes.count == 8 + PageKey.codeBytes,
      constantTimeEqual(Array(bytes[8...]), key.code(of: Array(bytes[..<8]), in: scope))
    else { throw ServiceError(.pageTokenInvalid) }
    after = bytes[..<8].reduce(0) { $0 << 8 | Int64($1) }
  }

  /// The token of the page behind a row.
  package func token(after row: Int64) -> String {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: row >> (56 - 8 * Int64($0))) }
    return Base64URL.encode(bytes + key.code(of: bytes, in: scope))
  }
}

/// What makes page tokens.
package struct PageKey: Sendable {
  /// Bytes of a token that tell who made it.
  static let codeBytes = 16

  private let keyed: HMACSHA256

  /// All copies of a daemon are to have the same.
  package init(_ keyed: HMACSHA256) { self.keyed = keyed }

  func code(of row: [UInt8], in scope: String) -> [UInt8] {
    Array(keyed.authenticate(row + Array(scope.utf8)).prefix(Self.codeBytes))
  }
}

extension RequestCheck {
  /// How many rows to return: as many as `page_size` asks for, which is 1 to `sizeMax`, or `sizeDefault` for 0.
  package mutating func pageSize(_ size: Int32, sizeDefault: Int, sizeMax: Int = PageRequest.sizeMax) -> Int {
    require((0...sizeMax).contains(Int(size)), "page_size", "must be 1 to \(sizeMax); 0 is taken as \(sizeDefault)")
    return size == 0 ? sizeDefault : Int(size)
  }
}

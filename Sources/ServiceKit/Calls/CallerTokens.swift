import Crypto
package import RPC

/// The tokens by which processes prove their names to one another.
///
/// The file is either one token of at least 32 characters that all daemons of a cluster share, or lines of
/// `name token`. A line may hold `sha256:` and the hexadecimal digest of the token instead: enough to check that
/// caller, too little to pose as it. Blank lines and lines that begin with `#` are skipped.
package struct CallerTokens: Sendable {
  private enum Proof: Sendable {
    case token(String)
    case digest([UInt8])
  }

  private let shared: String?
  private let proofs: [String: Proof]
  private static let tokenCharactersMin = 32

  /// Reads the content of a token file.
  ///
  /// - Throws: a problem that tells the line, never its content.
  package init(_ secret: Secret) throws(ConfigProblem) {
    var shared: String?
    var proofs: [String: Proof] = [:]
    for (index, line) in secret.text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }.map(String.init)
      if words.isEmpty || words[0].hasPrefix("#") { continue }
      let place = "holds caller tokens; line \(index + 1)"
      switch words.count {
      case 1 where shared == nil && proofs.isEmpty:
        shared = try Self.checkedToken(words[0], place)
      case 2 where shared == nil:
        guard Self.isCallerName(words[0]), proofs[words[0]] == nil else {
          throw ConfigProblem("\(place) repeats a name, or the name is not of a-z, 0-9 and -")
        }
        proofs[words[0]] = try Self.proof(words[1], place)
      default:
        throw ConfigProblem("\(place) is neither the file's only token nor \"name token\"")
      }
    }
    guard shared != nil || !proofs.isEmpty else { throw ConfigProblem("holds no caller token; write one into it") }
    self.shared = shared
    self.proofs = proofs
  }

  /// The metadata by which a process proves to be `caller`.
  ///
  /// - Throws: a problem when the file has no token for the name.
  package func credentials(for caller: String) throws(ConfigProblem) -> Metadata {
    var token = shared
    if case .token(let own) = proofs[caller] { token = own }
    guard let token else { throw ConfigProblem("has no token of the caller \"\(caller)\"; add \"\(caller) token\"") }
    return Metadata([(CallMetadata.caller, caller), (CallMetadata.callerToken, token)])
  }

  /// Whether `token` proves that a process is `caller`; takes the same time whatever is wrong with the token.
  package func accepts(_ caller: String, token: String) -> Bool {
    if let shared { return Self.isCallerName(caller) && constantTimeEqual(shared, token) }
    switch proofs[caller] {
    case .token(let expected): return constantTimeEqual(expected, token)
    case .digest(let expected): return constantTimeEqual(expected, SHA256.hash(token))
    case nil: return false
    }
  }

  private static func proof(_ text: String, _ place: String) throws(ConfigProblem) -> Proof {
    guard text.hasPrefix("sha256:") else { return .token(try checkedToken(text, place)) }
    guard let digest = Hex.decode(String(text.dropFirst(7))), digest.count == SHA256.byteCount else {
      throw ConfigProblem("\(place) has sha256: without 64 hexadecimal digits")
    }
    return .digest(digest)
  }

  private static func checkedToken(_ text: String, _ place: String) throws(ConfigProblem) -> String {
    guard text.utf8.count >= tokenCharactersMin, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw ConfigProblem("\(place) has a token of fewer than \(tokenCharactersMin) plain characters")
    }
    return text
  }

  private static func isCallerName(_ text: String) -> Bool {
    (1...32).contains(text.utf8.count)
      && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d }
  }
}

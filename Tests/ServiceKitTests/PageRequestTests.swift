import Crypto
import ServiceKit
import Testing

@Suite("pages of lists") struct PageRequestTests {
  private let own = PageKey(HMACSHA256(key: Array(repeating: 1, count: 32)))

  @Test("a page has as many rows as were asked for, the default for 0, and no size beyond the list's limit")
  func sizes() throws {
    func size(_ size: Int32, max: Int = PageRequest.sizeMax) throws -> Int {
      try PageRequest("", size: size, sizeDefault: 20, sizeMax: max, scope: "list", key: own).size
    }
    #expect(try [0, 1, 200].map { try size($0) } == [20, 1, 200])
    #expect(try size(50, max: 50) == 50)
    // As of a request whose size was read before.
    let read = try PageRequest("", size: 7, scope: "list", key: own)
    #expect(read.size == 7 && read.after == 0)
    #expect(
      try read.token(after: 3)
        == PageRequest("", size: 7, sizeDefault: 20, scope: "list", key: own).token(after: 3))
    for (wrong, max) in [(-1, 200), (201, 200), (.max, 200), (.min, 200), (51, 50)] as [(Int32, Int)] {
      #expect {
        try size(wrong, max: max)
      } throws: { error in
        let violations = (error as? ServiceError)?.violations
        return violations == [FieldViolation("page_size", "must be 1 to \(max); 0 is taken as 20")]
      }
    }
  }

  @Test("a token leads behind the row it was made for, in its own list only, and nobody else can make one")
  func tokens() throws {
    func page(_ token: String, _ scope: String = "list", _ key: PageKey? = nil) throws -> PageRequest {
      try PageRequest(token, size: 0, sizeDefault: 20, scope: scope, key: key ?? own)
    }
    for key in [1, 255, 1 << 40, .max] as [Int64] {
      #expect(try page(try page("").token(after: key)).after == key)
    }
    let token = try page("").token(after: 7)
    let row = [UInt8](repeating: 0, count: 7) + [7]
    let unkeyed = Base64URL.encode(row + SHA256.hash(row + Array("list".utf8)).prefix(16))
    for (token, scope) in [
      (token, "another list"), (String(token.dropLast()), "list"), ("B" + token.dropFirst(), "list"),
      ("no token", "list"), (String(repeating: "A", count: 10_000), "list"),
      // Another row with the code of this one; one without a key; one of another key.
      ("AAAAAAAAAAg" + token.dropFirst(11), "list"), (unkeyed, "list"),
      (try page("", "list", PageKey(HMACSHA256(key: Array(repeating: 2, count: 32)))).token(after: 7), "list"),
    ] {
      #expect {
        try page(token, scope)
      } throws: {
        ($0 as? ServiceError)?.reason == .pageTokenInvalid
      }
    }
  }
}

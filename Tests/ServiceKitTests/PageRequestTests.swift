import ServiceKit
import Testing

@Suite("pages of lists") struct PageRequestTests {
  @Test("a page has as many rows as were asked for, the default for 0, and no size beyond the list's limit")
  func sizes() throws {
    func size(_ size: Int32, max: Int = PageRequest.sizeMax) throws -> Int {
      try PageRequest("", size: size, sizeDefault: 20, sizeMax: max, scope: "list").size
    }
    #expect(try [0, 1, 200].map { try size($0) } == [20, 1, 200])
    #expect(try size(50, max: 50) == 50)
    // As of a request whose size was read before.
    let read = try PageRequest("", size: 7, scope: "list")
    #expect(try read == PageRequest("", size: 7, sizeDefault: 20, scope: "list"))
    for (wrong, max) in [(-1, 200), (201, 200), (.max, 200), (.min, 200), (51, 50)] as [(Int32, Int)] {
      #expect {
        try size(wrong, max: max)
      } throws: { error in
        let violations = (error as? ServiceError)?.violations
        return violations == [FieldViolation("page_size", "must be 1 to \(max); 0 is taken as 20")]
      }
    }
  }

  @Test("a token leads behind the row it was made for, in its own list only")
  func tokens() throws {
    func page(_ token: String, _ scope: String = "list") throws -> PageRequest {
      try PageRequest(token, size: 0, sizeDefault: 20, scope: scope)
    }
    for key in [1, 255, 1 << 40, .max] as [Int64] {
      #expect(try page(try page("").token(after: key)).after == key)
    }
    let token = try page("").token(after: 7)
    for (token, scope) in [
      (token, "another list"), (String(token.dropLast()), "list"), ("A" + token.dropFirst(), "list"),
      ("no token", "list"), (String(repeating: "A", count: 10_000), "list"),
    ] {
      #expect {
        try page(token, scope)
      } throws: {
        ($0 as? ServiceError)?.reason == .pageTokenInvalid
      }
    }
  }
}

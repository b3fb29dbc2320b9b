import EventLoop
import Testing

@testable import RPC

@Suite("The small formats of gRPC")
struct WireFormatTests {
  @Test(
    "timeouts are read",
    arguments: [
      ("1H", Duration.seconds(3600)), ("2M", .seconds(120)), ("3S", .seconds(3)), ("4m", .milliseconds(4)),
      ("5u", .microseconds(5)), ("6n", .nanoseconds(6)), ("99999999n", .nanoseconds(99_999_999)),
      ("99999999H", .seconds(99_999_999 * 3600)),
    ])
  func timeouts(text: String, expected: Duration) {
    #expect(Array(text.utf8).withUnsafeBytes { CallTimeout.parse($0) } == expected)
  }

  @Test(
    "timeouts that are malformed are not read",
    arguments: ["", "S", "1", "1x", "-1S", "123456789S", "1 S", "1.5S"])
  func badTimeouts(text: String) { #expect(Array(text.utf8).withUnsafeBytes { CallTimeout.parse($0) } == nil) }

  @Test("timeouts written are never shorter, by at most a part in a million, and fit in 8 digits")
  func writtenTimeouts() throws {
    for exponent in 0..<18 {
      let nanoseconds = (1...exponent + 1).reduce(Int64(1)) { value, _ in value * 10 } - 1
      let duration = Duration.nanoseconds(nanoseconds)
      let text = CallTimeout.format(duration)
      let read = try #require(Array(text.utf8).withUnsafeBytes { CallTimeout.parse($0) })
      #expect(text.utf8.count <= 9)
      #expect(read >= duration && read <= duration + duration / 1_000_000)
    }
  }

  @Test(
    "status texts survive, and broken escapes are kept",
    arguments: [
      ("plain", "plain"), ("100%", "100%25"), ("a\nb", "a%0Ab"), ("☺", "%E2%98%BA"), ("", ""), ("~ }", "~ }"),
      ("\u{7F}", "%7F"),
    ])
  func statusTexts(plain: String, encoded: String) {
    #expect(StatusMessage.encode(plain) == Array(encoded.utf8))
    #expect(Array(encoded.utf8).withUnsafeBytes { StatusMessage.decode($0) } == plain)
  }

  @Test("status texts with broken escapes are kept as they are", arguments: ["%", "%4", "%zz", "a%2", "%%41"])
  func brokenTexts(text: String) {
    let expected = text == "%%41" ? "%A" : text
    #expect(Array(text.utf8).withUnsafeBytes { StatusMessage.decode($0) } == expected)
  }

  @Test("base64 is written without padding and read with or without")
  func base64() {
    for count in 0..<20 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 77 + 200) }
      var text: [UInt8] = []
      BinaryValue.encode(bytes, into: &text)
      #expect(!text.contains(UInt8(ascii: "=")))
      #expect(BinaryValue.decode(text) == bytes)
      let padding = [UInt8](repeating: UInt8(ascii: "="), count: (4 - text.count % 4) % 4)
      #expect(BinaryValue.decode(text + padding) == bytes)
    }
  }

  @Test("texts that are no base64 are not read", arguments: ["A", "AA=A", "A*", "AA===", "ABCDE"])
  func badBase64(text: String) { #expect(BinaryValue.decode(Array(text.utf8)) == nil) }

  @Test("metadata keeps order, refuses reserved names, and makes values safe to send")
  func metadata() {
    var metadata = Metadata([("B", "2"), ("a", "1"), ("b", "3")])
    #expect(metadata.pairs.map(\.name) == ["b", "a", "b"])
    #expect(metadata.values("b") == ["2", "3"])
    let added = [
      metadata.add("grpc-status", "0"), metadata.add(":path", "/"), metadata.add("sp ace", "x"),
      metadata.add("x-bin", "text"), metadata.add("text", binary: [1]), metadata.add("c", "one\r\ntwo"),
    ]
    #expect(added == [false, false, false, false, false, true])
    #expect(metadata["c"] == "one  two")
    metadata.replace("b", "4")
    #expect(metadata.values("b") == ["4"])
    metadata.remove("a")
    #expect(metadata["a"] == nil && metadata.count == 2)
  }

  @Test("binary metadata that the peer joined with commas is split")
  func joinedBinary() {
    var metadata = Metadata()
    Array("k-bin".utf8).withUnsafeBytes { name in
      Array("AQ,Ag==".utf8).withUnsafeBytes { metadata.appendRaw(name, $0) }
    }
    #expect(metadata.binaries("k-bin") == [[1], [2]])
  }
}

import Foundation
import Testing

@testable import ServiceKit

@Suite("log lines")
struct LoggerTests {
  /// Runs `body` with a logger on a pipe and returns what it wrote.
  func logged(level: LogLevel = .debug, _ body: (Logger) -> Void) throws -> [String] {
    let pipe = Pipe()
    let output = LogOutput(file: pipe.fileHandleForWriting.fileDescriptor)
    body(Logger(service: "handoff-test", level: level, output: output))
    let bytes = pipe.fileHandleForReading.availableData
    #expect(bytes.last == UInt8(ascii: "\n"))
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  func object(_ line: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
  }

  @Test("a line is one JSON object: time, level, service, event, context, fields, in this order")
  func order() throws {
    let lines = try logged { log in
      log.with(["request_id": "r-1"]).info(
        "rpc.finished",
        [
          "code": "OK", "count": 3, "ok": true, "ratio": .double(0.5), "gone": .none, "nan": .double(.nan),
          "duration_ms": .milliseconds(.microseconds(1_234_567)),
        ])
    }
    let line = try #require(lines.first)
    let start = try #require(line.firstRange(of: "\"level\""))
    #expect(
      line[start.lowerBound...] == """
        "level":"info","service":"handoff-test","event":"rpc.finished","request_id":"r-1","code":"OK","count":3,\
        "ok":true,"ratio":0.5,"nan":null,"duration_ms":1234.567}
        """)
    let time = try #require(try object(line)["time"] as? String)
    let parsed = try Date(time, strategy: .iso8601.year().month().day().time(includingFractionalSeconds: true))
    #expect(abs(parsed.timeIntervalSinceNow) < 60)
    #expect(time.count == 24 && time.hasSuffix("Z"))
  }

  @Test(
    "any text survives as JSON on one line",
    arguments: ["\"\\/", "a\nb\r\n\tc", "\u{0}\u{1}\u{1f}\u{7f}", "한국어 ✓ 👩‍👩‍👧", "}{", ""])
  func escaping(text: String) throws {
    let lines = try logged { $0.info("x", ["text": .string(text)]) }
    #expect(lines.count == 1)
    #expect(try object(lines[0])["text"] as? String == text)
  }

  @Test("long values are cut between characters, and fields that do not fit are left out and marked")
  func bounded() throws {
    let long = String(repeating: "가", count: 2000)
    let lines = try logged { log in
      log.info("x", ["a": .string(long), "b": .string(long), "c": .string(long), "d": .string(long), "e": 1])
    }
    let line = try #require(lines.first)
    #expect(line.utf8.count < LogOutput.lineBytesMax)
    let fields = try object(line)
    #expect(fields["a"] as? String == String(repeating: "가", count: 341) + "…")
    #expect(fields["d"] == nil)
    #expect(fields["e"] as? Int == 1)
    #expect(fields["truncated"] as? Bool == true)
  }

  @Test("lines below the level are not written, and their fields not computed")
  func levels() throws {
    let lines = try logged(level: .warning) { log in
      log.info("quiet", { () -> LogFields in preconditionFailure("computed") }())
      log.warning("heard")
      log.error("heard")
    }
    #expect(lines.count == 2)
  }

  @Test("a reader that stalls costs lines, not time: they are dropped and counted", .timeLimit(.minutes(1)))
  func stalledReader() {
    let pipe = Pipe()
    let output = LogOutput(file: pipe.fileHandleForWriting.fileDescriptor)
    let log = Logger(service: "handoff-test", level: .info, output: output)
    let filler = LogValue.string(String(repeating: "x", count: 1000))
    for _ in 0..<1000 { log.info("x", ["a": filler, "b": filler, "c": filler]) }
    #expect(output.droppedLines > 900)
    var room = [UInt8](repeating: 0, count: 1 << 20)
    let count = read(pipe.fileHandleForReading.fileDescriptor, &room, room.count)
    #expect(room[..<count].last == UInt8(ascii: "\n"), "a line is written whole or not at all")
  }
}

import Foundation
import HandoffTestKit

/// `scripts/inbox` as a child process: a mail server (aiosmtpd) that shows over HTTP what it got. Ends with the object.
package final class TestInbox {
  /// It did not start.
  package struct Failed: Error {}

  /// How mails get there, for `HANDOFF_MAIL_SMTP_URL`.
  package let relay: String
  /// Where they are shown: a URL without a path.
  package let url: String
  private let process: Process
  private let lifeline: Pipe

  /// Starts it on free ports of 127.0.0.1.
  ///
  /// - Throws: ``Failed``; `TestPython.Missing`.
  package init() throws {
    for _ in 0..<20 {
      // Its SMTP server takes no port of the system's choice; these are none that the system gives to others.
      let port = Int.random(in: 20_000..<32_000)
      let process = Process()
      let (lifeline, output) = (Pipe(), Pipe())
      process.executableURL = URL(filePath: "/bin/sh")
      process.arguments = [
        "-c", Self.script, "inbox", try TestPython.path(), "\(Place.project)/scripts/inbox", "--smtp",
        "127.0.0.1:\(port)", "--web", "127.0.0.1:0",
      ]
      process.standardInput = lifeline
      process.standardOutput = output
      process.standardError = FileHandle.nullDevice
      try process.run()
      // With this end open, too, the end of its output would never be seen.
      try output.fileHandleForWriting.close()
      let said = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
      if let start = said.range(of: " shown at "), let end = said.lastIndex(of: "/") {
        relay = "smtp://127.0.0.1:\(port)?starttls=off"
        url = String(said[start.upperBound..<end])
        (self.process, self.lifeline) = (process, lifeline)
        return
      }
      try lifeline.fileHandleForWriting.close()
      process.waitUntilExit()
    }
    throw Failed()
  }

  deinit {
    try? lifeline.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  // Standard input ends with the test process, however that ends.
  private static let script = """
    "$@" </dev/null &
    cat >/dev/null
    kill -KILL $!
    wait
    """
}

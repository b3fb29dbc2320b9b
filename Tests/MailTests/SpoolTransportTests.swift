import EventLoop
import Foundation
import Testing

@testable import Mail

@Suite("the spool directory")
struct SpoolTransportTests {
  let directory = FileManager.default.temporaryDirectory.appending(path: "handoff-spool-\(UUID().uuidString)").path
  let pool = BlockingPool(name: "spool", threads: 2, queueMax: 16)

  func mail(_ text: String, id: String = "0a1b@shop.example") -> EnvelopedMail {
    EnvelopedMail(
      messageID: id, sender: "care@shop.example", recipients: ["kim@example.com"], content: Array(text.utf8))
  }

  @Test("a mail handed on twice is one file, readable by its owner only, and nothing else is left")
  func sameMailTwice() async throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let spool = try SpoolTransport(directory: directory, pool: pool)
    #expect(try await spool.send(mail("first"), deadline: .never) == "stored as 0a1b@shop.example.eml")
    _ = try await spool.send(mail("first, again"), deadline: .never)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["0a1b@shop.example.eml"])
    let file = "\(directory)/0a1b@shop.example.eml"
    #expect(try String(contentsOfFile: file, encoding: .utf8) == "first, again")
    let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test(
    "a Message-ID cannot lead out of the directory",
    arguments: [
      ("a@b", "a@b.eml"), ("../../etc/passwd@x", "_.._.._etc_passwd@x.eml"), (".hidden@x", "_.hidden@x.eml"),
      ("a b$(c)@x", "a_b__c_@x.eml"), ("한@x", "_@x.eml"),
      (String(repeating: "a", count: 300), String(repeating: "a", count: 200) + ".eml"),
    ])
  func fileNames(_ id: String, _ name: String) {
    #expect(SpoolTransport.fileName(id) == name)
  }

  @Test("what a killed process left half-written is removed after an hour, and nothing else is")
  func leftovers() async throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    _ = try SpoolTransport(directory: directory, pool: pool)
    let hourAgo = Date(timeIntervalSinceNow: -3700)
    for (name, date) in [(".a.1.part", hourAgo), (".b.2.part", Date()), ("c.eml", hourAgo)] {
      #expect(FileManager.default.createFile(atPath: "\(directory)/\(name)", contents: nil))
      try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: "\(directory)/\(name)")
    }
    _ = try SpoolTransport(directory: directory, pool: pool)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory).sorted() == [".b.2.part", "c.eml"])
  }

  @Test("a directory that cannot be written to is said at the start; one that vanishes delays the mail")
  func noDirectory() async throws {
    #expect(throws: DeliveryFailure.self) { try SpoolTransport(directory: "/proc/handoff-spool", pool: pool) }
    let spool = try SpoolTransport(directory: directory, pool: pool)
    try FileManager.default.removeItem(atPath: directory)
    let failure = await #expect(throws: DeliveryFailure.self) {
      try await spool.send(mail("lost?"), deadline: .never)
    }
    #expect(failure?.isPermanent == false)
  }
}

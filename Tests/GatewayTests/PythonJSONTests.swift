import Foundation
import HandoffAPI
import HandoffTestKit
import MessageJSON
import Protobuf
import Testing

@Suite("JSON as Google's implementation maps it")
struct PythonJSONTests {
  private struct Specimen {
    let descriptor: MessageDescriptor
    let bytes: [UInt8]
    let json: [UInt8]
    /// With proto names, numbers for enums, defaults or spaces, as it happens.
    let otherForm: [UInt8]
  }

  private static let types = HandoffAPI.descriptors.keys.filter { $0.hasPrefix("handoff.") }.sorted()

  private func peer() throws -> FramedPython {
    let tests = URL(filePath: #filePath).deletingLastPathComponent()
    let project = tests.deletingLastPathComponent().deletingLastPathComponent()
    return try FramedPython(
      script: tests.appending(path: "json_peer.py"),
      arguments: [
        project.appending(path: "Sources/CHandoffProtos/descriptors.binpb").path, Self.types.joined(separator: ","),
      ])
  }

  private func specimen(_ seed: UInt64, _ peer: FramedPython) throws -> Specimen {
    let answer = try #require(try peer.ask("G", withUnsafeBytes(of: seed.bigEndian) { [UInt8]($0) }))
    let end = try #require(answer.firstIndex(of: UInt8(ascii: "\n")))
    let name = String(decoding: answer[..<end], as: UTF8.self)
    var rest = answer[(end + 1)...]
    func part() -> [UInt8] {
      let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      defer { rest = rest.dropFirst(4 + length) }
      return Array(rest.dropFirst(4).prefix(length))
    }
    return Specimen(
      descriptor: try #require(HandoffAPI.descriptors[name]), bytes: part(), json: part(), otherForm: part())
  }

  /// The same value with the members of objects in the order of their names.
  private func sorted(_ value: JSONValue) -> JSONValue {
    switch value {
    case .object(let members):
      .object(members.map { JSONMember(name: $0.name, value: sorted($0.value)) }.sorted { $0.name < $1.name })
    case .array(let elements): .array(elements.map(sorted))
    default: value
    }
  }

  @Test("random messages of the API are written and read as Python writes and reads them")
  func agreement() async throws {
    let peer = try peer()
    // One of each type, at least.
    for await round in TestScale.rounds(usual: Self.types.count, all: 30_000) {
      let specimen = try specimen(TestScale.seed &+ UInt64(round), peer)
      let name = specimen.descriptor.fullName
      let place = "\(TestScale.place(round)), \(name)"
      let message = try DynamicMessage(serialized: specimen.bytes, as: specimen.descriptor, in: Arena())
      let written = MessageWriter.json(message)

      let same = try sorted(JSONParser.parse(written)) == sorted(JSONParser.parse(specimen.json))
      try #require(same, "\(place): \(String(decoding: written, as: UTF8.self))")
      for text in [specimen.json, specimen.otherForm] {
        let again = DynamicMessage(specimen.descriptor, in: Arena())
        try MessageReader.read(try JSONParser.parse(text), into: again)
        try #require(again.serialized() == specimen.bytes, "\(place): \(String(decoding: text, as: UTF8.self))")
      }
      let readByPython = try peer.ask("R", Array(name.utf8) + [UInt8(ascii: "\n")] + written)
      try #require(readByPython == specimen.bytes, "\(place)")
    }
  }
}

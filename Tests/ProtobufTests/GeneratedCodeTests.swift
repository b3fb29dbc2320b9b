import Foundation
import HandoffAPI
import Protobuf
import RPC
import RPCProtos
import TestProtos
import Testing

@Suite("Generated code")
struct GeneratedCodeTests {
  @Test("the committed code is what the protos give")
  func current() throws {
    let root = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let output = FileManager.default.temporaryDirectory.appendingPathComponent("handoff-protos-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: output) }
    let plugin = try #require(Bundle.main.executableURL).deletingLastPathComponent()
      .appendingPathComponent("protoc-gen-handoff")
    let process = Process()
    process.executableURL = root.appendingPathComponent("scripts/generate-protos")
    process.arguments = [output.path]
    process.environment = ProcessInfo.processInfo.environment.merging(["HANDOFF_PROTOC_PLUGIN": plugin.path]) { $1 }
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)

    let written = try files(output)
    try #require(written.count > 50)
    for file in written {
      let fresh = try Data(contentsOf: output.appendingPathComponent(file))
      let committed = try? Data(contentsOf: root.appendingPathComponent(file))
      #expect(committed == fresh, "\(file) is out of date: run scripts/generate-protos")
    }
    for directory in ["Sources/CHandoffProtos", "Sources/HandoffAPI/Generated", "Sources/RPCProtos/Generated"] {
      let committed = try files(root.appendingPathComponent(directory)).map { directory + "/" + $0 }
      #expect(Set(committed).subtracting(written) == [], "left over from a proto that is gone")
    }
  }

  private func files(_ directory: URL) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: directory.path).filter { path in
      try directory.appendingPathComponent(path).resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true
    }
  }

  @Test("enum values are named in Swift without their enum's name, and know their proto names")
  func enums() {
    #expect(Ticket.State.unspecified.rawValue == 0)
    #expect(Ticket.State.doorayInProgress.protoName == "DOORAY_IN_PROGRESS")
    #expect(Ticket.State(protoName: "ESCALATION_ANSWERED") == .escalationAnswered)
    #expect(Ticket.State(protoName: "NEW") == nil)
    #expect(Ticket.State.allValues.count == 11)
    #expect(Ticket().state == .unspecified)
    #expect(Everything.Color.allValues == [.unspecified, .red, .darkBlue, .infraRed])
    #expect(Everything.Color.crimson == .red && Everything.Color.crimson.protoName == "RED")
    #expect(Level.high.protoName == "LEVEL_HIGH")
  }

  @Test("messages that hold themselves, directly or through another, are values all the same")
  func recursion() throws {
    var message = Everything(parent: Everything(stringValue: "inner"))
    let copy = message
    message.parent?.stringValue = "changed"
    #expect(copy.parent?.stringValue == "inner")
    #expect(message != copy)
    let even = Even(next: Odd(next: Even(), wayOut: .even(Even(next: Odd(wayOut: .leaf(Leaf()))))))
    #expect(try Even(serialized: try even.serialized()) == even)
  }

  @Test("Google's types convert to and from Swift's")
  func wellKnown() throws {
    for microseconds: Int64 in [0, 1, -1, 1_700_000_000_123_456, -62_135_596_800_000_000, 999_999, -1_000_000] {
      let timestamp = Timestamp(microsecondsSince1970: microseconds)
      #expect(timestamp.microsecondsSince1970 == microseconds)
      #expect((0..<1_000_000_000).contains(timestamp.nanos))
    }
    #expect(Timestamp(seconds: .max).microsecondsSince1970 == nil)
    #expect(Timestamp(seconds: 1, nanos: -1).microsecondsSince1970 == nil)
    #expect(ProtoDuration(.milliseconds(-1500)) == ProtoDuration(seconds: -1, nanos: -500_000_000))
    #expect(ProtoDuration(seconds: 2, nanos: 5).duration == .seconds(2) + .nanoseconds(5))
    let info = ErrorInfo(reason: "TICKET_NOT_FOUND", domain: "tickets", metadata: [.init(key: "id", value: "42")])
    let any = try ProtoAny(packing: info)
    #expect(any.typeUrl == "type.googleapis.com/google.rpc.ErrorInfo")
    #expect(try any.unpacked(as: ErrorInfo.self) == info)
    #expect(try any.unpacked(as: BadRequest.self) == nil)
  }

  @Test("a service lists its methods with their kinds, internal ones marked")
  func services() {
    struct Echo: EchoServiceProvider {
      func echo(_ request: EchoRequest, _ call: CallContext) -> EchoResponse { EchoResponse(text: request.text) }
      func `repeat`(_ request: EchoRequest, _ responses: ResponseWriter<EchoResponse>, _ call: CallContext) {}
      func collect(_ requests: RequestStream<EchoRequest>, _ call: CallContext) -> EchoResponse { EchoResponse() }
      func chat(
        _ requests: RequestStream<EchoRequest>, _ responses: ResponseWriter<EchoResponse>, _ call: CallContext
      ) {}
      func echoInternally(_ request: EchoRequest, _ call: CallContext) -> EchoResponse { EchoResponse() }
    }
    let service = Echo().rpcService
    #expect(service.name == "handoff.test.v1.EchoService")
    #expect(service.methods.map(\.name) == ["Echo", "Repeat", "Collect", "Chat", "EchoInternally"])
    #expect(
      service.methods.map(\.kind) == [.unary, .serverStreaming, .clientStreaming, .bidirectional, .unary])
    #expect(service.methods.map(\.isInternal) == [false, false, false, false, true])
  }
}

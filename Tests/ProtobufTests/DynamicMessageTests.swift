import HandoffAPI
import HandoffTestKit
import Protobuf
import RPCProtos
import TestProtos
import Testing

@Suite("Messages by descriptor")
struct DynamicMessageTests {
  private let schema = Everything.descriptor.schema

  private func field(_ name: String) throws -> FieldSchema { try #require(schema.field(named: name)) }

  @Test("copying random messages field by field gives the same bytes")
  func copy() async throws {
    var generator = SeededGenerator(seed: TestScale.seed &+ 3)
    for await round in TestScale.rounds(usual: 200, all: 20_000) {
      let bytes = try Everything.random(&generator).serialized()
      let arena = Arena()
      let source = try DynamicMessage(serialized: bytes, as: Everything.descriptor, in: arena)
      let target = DynamicMessage(Everything.descriptor, in: arena)
      try copyFields(source, target)
      let same = target.serialized() == bytes
      try #require(same, "\(TestScale.place(round))")
    }
  }

  private func copyFields(_ source: DynamicMessage, _ target: DynamicMessage) throws {
    for field in source.descriptor.schema.fields where source.isPresent(field) {
      for index in 0..<(field.isRepeated ? source.count(field) : 1) {
        switch field.kind {
        case .int32, .sint32, .sfixed32, .int64, .sint64, .sfixed64, .enumeration:
          try target.put(source.int64(field, at: index), in: field)
        case .uint32, .fixed32, .uint64, .fixed64: try target.put(source.uint64(field, at: index), in: field)
        case .float: try target.put(Double(source.float(field, at: index)), in: field)
        case .double: try target.put(source.double(field, at: index), in: field)
        case .bool: target.put(source.bool(field, at: index), in: field)
        case .string:
          if index % 2 == 0 {
            try target.put(source.string(field, at: index), in: field)
          } else {
            try target.put(utf8: source.utf8(field, at: index), in: field)
          }
        case .bytes: target.put(bytes: [UInt8](source.bytes(field, at: index)), in: field)
        case .message:
          try copyFields(try #require(source.message(field, at: index)), target.putMessage(in: field))
        }
      }
    }
  }

  @Test("a schema knows names, numbers, kinds and types")
  func schemas() throws {
    #expect(schema.fullName == "handoff.test.v1.Everything")
    let time = try field("create_time")
    #expect(time.jsonName == "createTime")
    #expect(try field("createTime").number == 18)
    #expect(time.message?.fullName == "google.protobuf.Timestamp")
    #expect(time.hasPresence)
    #expect(try field("Mixed_Case2").jsonName == "MixedCase2")
    #expect(try !field("int32Value").hasPresence)
    #expect(try field("choiceNumber").hasPresence)
    #expect(try field("children").isRepeated)
    #expect(schema.field(number: 536_870_911)?.name == "last")
    #expect(schema.field(named: "nothing") == nil)
    let color = try #require(try field("color").enumeration)
    #expect(color.name(of: -7) == "INFRA_RED")
    #expect(color.number(of: "DARK_BLUE") == 2)
    #expect(color.number(of: "CRIMSON") == 1)
    #expect(color.number(of: "PUCE") == nil && color.name(of: 99) == nil)
    #expect(color.values.map(\.number) == [-7, 0, 1, 2])
  }

  @Test("numbers that the field's type cannot hold, and texts that a string cannot, are refused")
  func outOfRange() throws {
    let message = DynamicMessage(Everything.descriptor, in: Arena())
    #expect(throws: ProtobufError(.outOfRange, path: "int32_value")) {
      try message.put(Int64(1) << 31, in: try field("int32_value"))
    }
    #expect(throws: ProtobufError(.outOfRange, path: "uint64_value")) {
      try message.put(Int64(-1), in: try field("uint64_value"))
    }
    #expect(throws: ProtobufError(.outOfRange, path: "int64_value")) {
      try message.put(UInt64.max, in: try field("int64_value"))
    }
    #expect(throws: ProtobufError(.outOfRange, path: "float_value")) {
      try message.put(1e300, in: try field("float_value"))
    }
    #expect(throws: ProtobufError(.nulInString, path: "string_value")) {
      try message.put("\0", in: try field("string_value"))
    }
    let broken: [UInt8] = [0x61, 0xFF]
    #expect(throws: ProtobufError(.invalidUTF8, path: "string_value")) {
      try broken.withUnsafeBytes { try message.put(utf8: $0, in: try field("string_value")) }
    }
    #expect(message.serialized().isEmpty)
  }

  @Test("the last member put into a oneof is the one that is set")
  func oneofs() throws {
    let message = DynamicMessage(Everything.descriptor, in: Arena())
    let (text, number) = (try field("choice_text"), try field("choice_number"))
    try message.put("x", in: text)
    #expect(message.oneofCase(number) == 41)
    try message.put(Int64(5), in: number)
    #expect(!message.isPresent(text) && message.isPresent(number))
    #expect(message.generated(as: Everything.self).choice == .choiceNumber(5))
  }

  @Test("a generated message can be walked without being written first")
  func fromGenerated() throws {
    let ticket = Ticket(name: "services/1/tickets/2", state: .resolved)
    let message = try DynamicMessage(ticket, in: Arena())
    let state = try #require(Ticket.descriptor.schema.field(named: "state"))
    #expect(state.enumeration?.name(of: Int32(message.int64(state))) == "RESOLVED")
    #expect(message.generated(as: Ticket.self) == ticket)
  }

  @Test("the registry finds every message and every method with its types")
  func registry() throws {
    #expect(HandoffAPI.descriptors["handoff.tickets.v1.Ticket"] == Ticket.descriptor)
    #expect(HandoffAPI.descriptors["google.protobuf.Timestamp"] == Timestamp.descriptor)
    let service = try #require(HandoffAPI.services.first { $0.fullName == "handoff.mail.v1.MailService" })
    let prepare = try #require(service.methods.first { $0.name == "PrepareAnswer" })
    #expect(prepare.isInternal && prepare.input == PrepareAnswerRequest.descriptor)
    #expect(service.methods.contains { $0.name == "PreviewAnswer" && !$0.isInternal })
    for service in HandoffAPI.services {
      for method in service.methods {
        #expect(HandoffAPI.descriptors[method.input.fullName] == method.input)
        #expect(HandoffAPI.descriptors[method.output.fullName] == method.output)
      }
    }
  }

  @Test("the proto file of every service, message, field and method can be looked up with what it imports")
  func files() throws {
    for service in HandoffAPI.services {
      let file = try #require(ProtoFiles.all.file(declaring: service.fullName))
      let closure = ProtoFiles.all.closure(of: file)
      #expect(closure.first?.name == file.name)
      #expect(Set(closure.map(\.name)).count == closure.count)
      #expect(closure.allSatisfy { file in file.imports.allSatisfy { ProtoFiles.all.file(named: $0) != nil } })
      for method in service.methods {
        #expect(ProtoFiles.all.file(declaring: "\(service.fullName).\(method.name)")?.name == file.name)
      }
    }
    for name in HandoffAPI.descriptors.keys { #expect(ProtoFiles.all.file(declaring: name) != nil, "\(name)") }
    let ticket = "handoff/tickets/v1/ticket.proto"
    for symbol in ["Ticket", "Ticket.title", "Ticket.State", "Ticket.RESOLVED"] {
      #expect(ProtoFiles.all.file(declaring: "handoff.tickets.v1." + symbol)?.name == ticket)
    }
    #expect(ProtoFiles.all.file(declaring: "handoff.tickets.v1.Nothing") == nil)
    #expect(ProtoFiles.all.file(declaring: "grpc.health.v1.Health")?.name == "grpc/health/v1/health.proto")
  }
}

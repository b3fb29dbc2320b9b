import HandoffAPI
import MessageJSON
import Protobuf
import RPCProtos
import Testing

@Suite("JSON and messages are two forms of one thing")
struct MessageCodecTests {
  private func json(_ message: some Message) throws -> String {
    String(decoding: MessageWriter.json(try DynamicMessage(message, in: Arena())), as: UTF8.self)
  }

  private func read<Value: Message>(_ text: String, as type: Value.Type) throws -> Value {
    let message = DynamicMessage(type.descriptor, in: Arena())
    try MessageReader.read(try JSONParser.parse(Array(text.utf8)), into: message)
    return try Value(serialized: message.serialized())
  }

  @Test("a ticket is written with names, strings for 64 bits, RFC 3339 times, and without defaults")
  func writing() throws {
    let ticket = Ticket(
      name: "services/care/tickets/42", title: "환불 \"문의\"\n", state: .processing, version: 9_007_199_254_740_993,
      customer: TicketCustomer(number: 7, displayName: "홍길동"),
      titleMasks: [TextMask(name: "m", start: 0, length: 3)],
      createTime: Timestamp(seconds: 1_700_000_000, nanos: 120_000_000), updateTime: Timestamp(seconds: -1))
    let expected =
      #"{"name":"services/care/tickets/42","title":"환불 \"문의\"\n","state":"PROCESSING","#
      + #""version":"9007199254740993","customer":{"number":"7","displayName":"홍길동"},"#
      + #""titleMasks":[{"name":"m","length":3}],"createTime":"2023-11-14T22:13:20.120Z","#
      + #""updateTime":"1969-12-31T23:59:59Z"}"#
    #expect(try json(ticket) == expected)
    #expect(try read(expected, as: Ticket.self) == ticket)
  }

  @Test("both names of a field, numbers as strings, enum numbers, null and unknown enum numbers are read")
  func tolerance() throws {
    let request = try read(
      #"{"parent":"services/care","page_size":"10","menu":4,"state":"PENDING","group":null,"pageToken":"x"}"#,
      as: ListTicketsRequest.self)
    #expect(
      request
        == ListTicketsRequest(
          parent: "services/care", menu: .myPending, state: .pending, pageSize: 10, pageToken: "x"))
    #expect(try read(#"{"pageSize":1e2}"#, as: ListTicketsRequest.self).pageSize == 100)
    #expect(try read(#"{"menu":77}"#, as: ListTicketsRequest.self).menu.rawValue == 77)
    #expect(try json(ListTicketsRequest(menu: .init(rawValue: 77))) == #"{"menu":77}"#)
  }

  @Test("a choice is written and read by the one field that is set")
  func oneof() throws {
    let trigger = Trigger(results: [
      TriggerResult(result: .assign(AssignResult(mode: .sequential, agents: ["agents/1"]))),
      TriggerResult(result: .priority(.high)),
    ])
    let text = #"{"results":[{"assign":{"mode":"SEQUENTIAL","agents":["agents/1"]}},{"priority":"HIGH"}]}"#
    #expect(try json(trigger) == text)
    #expect(try read(text, as: Trigger.self) == trigger)
  }

  @Test(
    "what does not fit is refused with the path of the field",
    arguments: [
      (#"{"titel":1}"#, "titel", "there is no such field"),
      (#"{"title":1}"#, "title", "must be a text"),
      (#"{"version":1.5}"#, "version", "must be a whole number"),
      (#"{"version":"9223372036854775808"}"#, "version", "must be a whole number"),
      (#"{"entryCount":2147483648}"#, "entryCount", "is out of the range of the field"),
      (#"{"spam":"yes"}"#, "spam", "must be true or false"),
      (#"{"customer":[]}"#, "customer", "must be an object"),
      (#"{"customer":{"emial":"x"}}"#, "customer.emial", "there is no such field"),
      (#"{"titleMasks":{}}"#, "titleMasks", "must be an array"),
      (#"{"titleMasks":[{"start":"a"}]}"#, "titleMasks[0].start", "must be a whole number"),
      (#"{"title":"a\u0000b"}"#, "title", "must not hold a NUL character"),
      (#"{"createTime":"yesterday"}"#, "createTime", "must be a time such as 2026-01-31T09:30:00Z"),
      (#"{"createTime":"2023-02-29T00:00:00Z"}"#, "createTime", "must be a time such as 2026-01-31T09:30:00Z"),
      (#"{"entryCount":1,"entry_count":2}"#, "entry_count", "stands here under both of its names"),
      ("[]", "", "must be an object"),
    ])
  func problems(text: String, path: String, problem: String) {
    #expect(throws: JSONMappingError(path: path, problem: problem)) { try read(text, as: Ticket.self) }
  }

  @Test("an unknown enum name is answered with the names there are")
  func enumNames() {
    #expect {
      try read(#"{"priority":"MEDIUM"}"#, as: Ticket.self)
    } throws: {
      ($0 as? JSONMappingError)?.problem.contains("LOW, NORMAL, HIGH, URGENT") ?? false
    }
  }

  @Test("two fields of one choice are refused")
  func twoOfOneof() {
    #expect(throws: JSONMappingError.self) {
      try read(#"{"priority":"HIGH","group":"services/care/groups/1"}"#, as: TriggerResult.self)
    }
  }

  @Test("times of every form are read, and written in UTC")
  func times() throws {
    let rows = [
      ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
      ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
      ("2024-02-29T12:00:00+09:00", "2024-02-29T03:00:00Z"),
      ("2024-12-31t23:30:00.5-01:00", "2025-01-01T00:30:00.500Z"),
      ("1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00.000001Z"),
    ]
    for (text, expected) in rows {
      let ticket = try read(#"{"createTime":"\#(text)"}"#, as: Ticket.self)
      #expect(try json(ticket) == #"{"createTime":"\#(expected)"}"#, "\(text)")
    }
  }

  @Test("path and query parameters reach fields, also inside messages")
  func parameters() throws {
    let message = DynamicMessage(CreateTicketRequest.descriptor, in: Arena())
    try MessageReader.put(parameter: "services/care", named: "parent", into: message)
    try MessageReader.put(parameter: "홍길동", named: "customer.displayName", into: message)
    try MessageReader.put(parameter: "hong@example.com", named: "customer.email", into: message)
    try MessageReader.put(parameter: "HIGH", named: "priority", into: message)
    let request = try CreateTicketRequest(serialized: message.serialized())
    #expect(
      request
        == CreateTicketRequest(
          parent: "services/care", customer: TicketCustomer(displayName: "홍길동", email: "hong@example.com"),
          priority: .high))
    #expect(throws: JSONMappingError.self) {
      try MessageReader.put(parameter: "x", named: "customer.age", into: message)
    }
    #expect(throws: JSONMappingError.self) { try MessageReader.put(parameter: "x", named: "..", into: message) }
  }
}

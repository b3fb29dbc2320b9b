import HandoffAPI
import Protobuf
import RPCProtos
import Testing

@Suite("Messages")
struct MessageTests {
  @Test("a ticket survives being written and read")
  func ticketRoundTrip() throws {
    var ticket = Ticket(name: "services/1/tickets/42", title: "배송이 늦어요", state: .processing, version: 7)
    ticket.customer = TicketCustomer(number: 3, displayName: "홍길동")
    ticket.titleMasks = [TextMask(start: 1, length: 2), TextMask(name: "x")]
    ticket.createTime = Timestamp(seconds: 1_700_000_000, nanos: 5)
    #expect(try Ticket(serialized: try ticket.serialized()) == ticket)
  }
}

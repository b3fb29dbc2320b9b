import HandoffTestKit
import Testing
import TicketLedger

@testable import Mail

@Suite("marks of tickets")
struct ReplyTokenTests {
  let link = TicketLink(serviceID: ServiceID(3), ticketID: TicketID(123_456))

  @Test("a mark is found again in addresses and Message-IDs, also in capitals")
  func roundTrip() throws {
    let tokens = ReplyTokens(try #require(LedgerKey(hex: String(repeating: "07", count: 32))))
    let address = try #require(MailAddress("care@shop.example", displayName: "Care"))
    let marked = tokens.replyAddress(address, for: link)
    #expect(marked.displayName == "Care" && marked.address.hasSuffix("@shop.example"))
    #expect(tokens.ticket(inAddress: marked.address) == .ticket(link))
    #expect(tokens.ticket(inAddress: marked.address.uppercased()) == .ticket(link))
    let id = tokens.messageID(for: link, nonce: "00ff", domain: "shop.example")
    #expect(tokens.ticket(inMessageID: id) == .ticket(link))
    // A mark of an address is none of a Message-ID, and the other way round.
    #expect(tokens.ticket(inMessageID: "00fe" + id.dropFirst(4)) == .forged)
    let other = ReplyTokens(try #require(LedgerKey(hex: String(repeating: "08", count: 32))))
    #expect(other.ticket(inAddress: marked.address) == .forged)
    let long = try #require(MailAddress(String(repeating: "a", count: 60) + "@shop.example"))
    #expect(tokens.replyAddress(long, for: link) == long)
    let plain = ReplyTokens(try #require(LedgerKey(hex: String(repeating: "07", count: 32))), separator: nil)
    #expect(plain.replyAddress(address, for: link) == address)
  }

  @Test("no change of a mark makes another one")
  func fuzz() async throws {
    let tokens = ReplyTokens(try #require(LedgerKey(hex: String(repeating: "07", count: 32))))
    let address = tokens.replyAddress(try #require(MailAddress("care@shop.example")), for: link).address
    let id = tokens.messageID(for: link, nonce: "00ff", domain: "shop.example")
    var random = SeededGenerator(seed: TestScale.seed)
    let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789-.+@")
    var roundCount = 0
    for await round in TestScale.fuzzRounds(usual: 5_000) {
      roundCount += 1
      var text = Array(round.isMultiple(of: 2) ? address : id)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = Int.random(in: 0..<text.count, using: &random)
        text[at] = letters.randomElement(using: &random) ?? "a"
      }
      for finding in [tokens.ticket(inAddress: String(text)), tokens.ticket(inMessageID: String(text))] {
        if case .ticket(let found) = finding { #expect(found == link, "\(TestScale.place(round))") }
      }
    }
    print("fuzz: reply tokens: \(roundCount) rounds, HANDOFF_TEST_SEED=\(TestScale.seed)")
  }
}

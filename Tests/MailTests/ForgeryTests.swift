import EventLoop
import HandoffTestKit
import Testing
import TicketLedger

@testable import Mail

/// Makes mails as somebody may who has one ticket of his own, and knows numbers, addresses and mails of others.
struct Forger {
  /// What the forger has got of a ticket: its number, and the marks in a mail about it.
  struct Known {
    let ticket: TicketID
    /// `t1-a9-k3…`, out of an address.
    let addressMark: String
    /// The same of a Message-ID, with what stands before it.
    let nonce: String
    let messageMark: String

    /// - Parameters:
    ///   - replyTo: the address that an answer asks for replies to.
    ///   - messageID: of the answer, without angle brackets.
    init(_ ticket: TicketID, replyTo: String, messageID: String) {
      self.ticket = ticket
      addressMark = String(replyTo.prefix { $0 != "@" }.drop { $0 != "+" }.dropFirst())
      let local = messageID.prefix { $0 != "@" }
      nonce = String(local.prefix { $0 != "." })
      messageMark = String(local.drop { $0 != "." }.dropFirst())
    }
  }

  let own: Known
  let victim: TicketID
  /// The Message-ID of the customer's own mail, as somebody in copy of another mail may know it.
  let victimMessageID: String
  var random: SeededGenerator

  private mutating func pick(_ texts: [String]) -> String { texts.randomElement(using: &random) ?? "" }
  private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 1...100, using: &random) <= percent }

  /// A mark out of pieces of the forger's own and others.
  private mutating func mark() -> String {
    let services = ["1", "2", "3", "01", "-1", "zzzzzzzzzzzzzzzz"]
    let tickets = [victim, own.ticket].map { String($0.rawValue, radix: 36) }
    var codes = [own.addressMark, own.messageMark].map { String($0.suffix(16)) }
    codes += [String(repeating: "a", count: 16), String(codes[0].dropLast()) + "2", String(codes[0].dropLast()), ""]
    let mark = "t\(pick(services))-\(pick(tickets + ["0"]))-\(pick(codes))"
    switch Int.random(in: 0..<8, using: &random) {
    case 0: return mark.uppercased()
    case 1: return own.addressMark
    case 2: return own.messageMark
    case 3: return mark + "-" + own.addressMark
    default: return mark
    }
  }

  private mutating func address() -> String {
    let separator = pick(["+", "+", "+", "-", "+x+", "++"])
    return "\(pick(["care", "CARE", "", "eve"]))\(separator)\(mark())@\(pick(["shop.example", "evil.example"]))"
  }

  private mutating func messageID() -> String {
    switch Int.random(in: 0..<4, using: &random) {
    case 0: return "\(own.nonce).\(own.messageMark)@shop.example"
    case 1: return victimMessageID
    default: return "\(pick([own.nonce, "", "00", own.nonce.uppercased()])).\(mark())@shop.example"
    }
  }

  /// The next mail.
  mutating func letter(_ customer: String) -> InboundWorld.Letter {
    var letter = InboundWorld.Letter(from: "Eve <eve@evil.example>", subject: "Re: 문의")
    let isMarked = chance(70)
    if chance(40) { letter.subject = "Re: [#\(pick(["\(victim)", "\(own.ticket)", "0\(victim)"]))] 문의" }
    if isMarked, chance(50) { letter.to = chance(50) ? "care@shop.example, <\(address())>" : address() }
    for field in ["Cc", "Delivered-To", "X-Original-To", "Envelope-To"] where isMarked && chance(15) {
      letter.headers.append("\(field): \(address())")
    }
    if isMarked, chance(40) { letter.headers.append("In-Reply-To: <\(messageID())>") }
    if isMarked, chance(40) {
      letter.headers.append("References: <\(messageID())>\r\n <\(messageID())> <\(messageID())>")
    }
    if chance(5) { letter.headers.append("X-Handoff-Ticket: services/care/tickets/\(victim)") }
    if chance(10) { letter.headers.append("Auto-Submitted: \(pick(["no", "auto-replied"]))") }
    if chance(35) {
      letter.from = customer
      letter.headers.insert("Authentication-Results: mx.shop.example; dmarc=fail", at: 0)
    }
    return letter
  }
}

@Suite("mails by somebody whom a ticket is no business of")
struct ForgeryTests {
  private func marks(_ answer: ParsedMail, _ ticket: TicketID) throws -> Forger.Known {
    let replyTo = try #require(answer["Reply-To"]?.split(separator: "<").last?.dropLast())
    let id = try #require(answer["Message-ID"]).dropFirst().dropLast()
    return Forger.Known(ticket, replyTo: String(replyTo), messageID: String(id))
  }

  @Test("whatever is made of the marks of one's own ticket, of numbers and of addresses leads to no ticket of others")
  func forged() async throws {
    let world = try await InboundWorld()
    let customer = "kim@example.com"
    let inquiry = InboundWorld.Letter(from: customer)
    let victim = try await world.answered(inquiry).ticket
    let (own, answer) = try await world.answered(.init(from: "Eve <eve@evil.example>"))
    var forger = Forger(
      own: try marks(answer, own), victim: victim, victimMessageID: inquiry.id,
      random: SeededGenerator(seed: TestScale.seed))
    let service = try await world.mail.ledger.directory.service(code: "care", deadline: TestDatabase.deadline)
    let record = try await world.take(.init(from: "other@example.com"))
    var outcomes: [String: Int] = [:]
    for await round in TestScale.rounds(usual: 400, all: 50_000) {
      let letter = forger.letter(customer)
      let read = try MIMEReader.read(letter.bytes)
      switch try await world.inbound.judged(read, record, service, TestDatabase.deadline) {
      case .planned(.reply, let ticket):
        outcomes["reply", default: 0] += 1
        #expect(ticket == own, "\(TestScale.place(round)): \(letter)")
      case .planned: outcomes["inquiry", default: 0] += 1
      case .decided(let decision): outcomes[decision.reason, default: 0] += 1
      }
      // A few go all the way.
      if round < 20 { _ = try await world.take(letter) }
    }
    #expect(try await world.state(victim) == "RESOLVED")
    #expect(try await world.texts(victim).count == 2)
    for outcome in ["reply", "inquiry", "FORGED_MARK", "UNKNOWN_SENDER", "SENDER_DENIED", "OWN_MAIL", "AUTO_REPLY"] {
      #expect(outcomes[outcome, default: 0] > 0, "\(outcomes), HANDOFF_TEST_SEED=\(TestScale.seed)")
    }
    print("fuzz: forged mails: \(outcomes), HANDOFF_TEST_SEED=\(TestScale.seed)")
  }
}

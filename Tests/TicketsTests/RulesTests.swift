import Testing
import TicketLedger

@testable import Tickets

@Suite struct RulesTests {
  @Test(
    "an e-mail address is stored in lower case, and refused when no mail can be sent to it",
    arguments: [
      ("Hong@Example.COM", "hong@example.com"), (" a.b+c@mail.example ", "a.b+c@mail.example"), ("", nil),
      ("hong", nil), ("@example.com", nil), ("hong@", nil), ("hong@exa mple.com", nil), ("ho ng@example.com", nil),
      (".hong@example.com", nil), ("hong@-example.com", nil), ("hong@example..com", nil), ("홍@example.com", nil),
      ("a@b@example.com", nil), ("hong@example.com\n", nil),
      (String(repeating: "a", count: 65) + "@example.com", nil),
    ] as [(String, String?)])
  func email(_ text: String, _ stored: String?) {
    #expect(ContactData.email(text) == stored)
  }

  @Test(
    "a phone number is stored as digits with a leading plus",
    arguments: [
      ("010-1234-5678", "01012345678"), ("+82 (10) 1234.5678", "+821012345678"), ("02/123", "02123"), ("12", nil),
      ("010-12ab", nil), ("82+10", nil), ("", nil), (String(repeating: "1", count: 31), nil), ("１２３４", nil),
    ] as [(String, String?)])
  func phone(_ text: String, _ stored: String?) {
    #expect(ContactData.phone(text) == stored)
  }

  @Test("the states of the menus are states of tickets", arguments: ListMenu.allCases)
  func menuStates(_ menu: ListMenu) {
    for state in menu.set.states { #expect(TicketState(rawValue: state) != nil) }
    for place in menu.set.escalatedTo { #expect(EscalatedTo(rawValue: place) != nil) }
  }

  @Test("a menu that is left out is the menu of all tickets, and a number that is none is no menu")
  func menuNumbers() {
    #expect(ListMenu(number: 0) == .all)
    for menu in ListMenu.allCases { #expect(ListMenu(number: menu.rawValue) == menu) }
    for number in [-1, Int32(ListMenu.allCases.count + 1), .max] { #expect(ListMenu(number: number) == nil) }
  }
}

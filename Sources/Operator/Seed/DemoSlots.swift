/// What stands in the slots of a demo text. All of it is drawn at once, so that what follows is the same whatever slots
/// a text has; only what is asked for is written out.
struct DemoSlots {
  private let order: DemoOrderNumber
  private let product: String
  private let days: Int
  private let amount: (thousands: Int, rest: String)
  private let phone: DemoPhone
  private let email: (number: Int, domain: String)
  private let resident: DemoResidentNumber

  /// Draws the values for a text in a language.
  init(_ language: String, _ random: inout DemoRandom) {
    order = DemoOrderNumber(&random)
    product = random.pick(DemoTopics.products[language] ?? ["상품"])
    days = random.number(3...9)
    amount = (random.number(8...240), random.pick(Self.rests))
    phone = language == "ko" ? .korean(&random) : .american(&random)
    email = (random.number(100...999), random.pick(DemoRandom.domains))
    resident = DemoResidentNumber(&random)
  }

  private static let rests = ["000", "500", "900"]

  /// The text of a slot; empty for one that there is not.
  subscript(_ slot: Substring) -> String {
    switch slot {
    case "order": order.text
    case "product": product
    case "days": String(days)
    case "amount": "\(amount.thousands),\(amount.rest)"
    case "phone": phone.text
    case "email": "user\(email.number)@\(email.domain)"
    case "resident": resident.text
    default: ""
    }
  }
}

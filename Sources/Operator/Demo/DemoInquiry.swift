import HandoffAPI

/// The inquiries of the demo: a Korean one full of personal data, and an English one.
struct DemoInquiry: Sendable {
  let title = "결제가 두 번 되었습니다"
  let customerName = "이보라"
  /// Where the answers go.
  let customerEmail = "bora.lee@example.com"
  /// Written in the text; nobody's.
  let phone: String
  let contact = "bora.work@example.net"
  let residentNumber: String

  /// Makes an inquiry with other numbers every time.
  init() {
    var random = DemoRandom(seed: .random(in: .min ... .max))
    phone = DemoPhone.korean(&random).text
    residentNumber = DemoResidentNumber(&random).text
  }

  /// What the customer writes.
  var text: String {
    """
    안녕하세요. 어제 무선 이어폰을 주문했는데 카드 결제가 두 번 되었습니다.
    한 건은 취소해 주세요. 연락처는 \(phone)이고 메일은 \(contact)입니다.
    본인 확인이 필요하시면 주민등록번호 \(residentNumber)로 확인해 주세요.
    """
  }

  /// What must not be readable once it is masked.
  var personalData: [String] { [phone, contact, residentNumber] }

  /// The request that creates the ticket.
  func request(_ service: String, type: String) -> CreateTicketRequest {
    CreateTicketRequest(
      parent: service, title: title, text: text,
      customer: TicketCustomer(displayName: customerName, email: customerEmail), channel: .helpCenter, language: "ko",
      submissionType: type, requestId: "demo-\(residentNumber)-\(phone)")
  }

  static let secondTitle = "Where is my order?"

  /// The second inquiry as JSON.
  struct Second: Encodable {
    struct Customer: Encodable {
      let displayName = "Alice Turner"
      let email = "alice.turner@example.com"
    }

    let title = DemoInquiry.secondTitle
    let text = "I ordered running shoes a week ago and the parcel does not move. Can you find out where it is?"
    let customer = Customer()
    let channel = "EMAIL"
    let language = "en"
    let submissionType: String
  }
}

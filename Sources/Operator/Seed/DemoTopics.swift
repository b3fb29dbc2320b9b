/// What a demo inquiry is about: texts with slots (`{order}`, `{product}`, `{days}`, `{amount}`, `{phone}`, `{email}`,
/// `{resident}`) that `DemoGenerator` fills.
struct DemoTopic: Sendable {
  let language: String
  /// Key of a submission type of the service.
  let type: String
  let titles: [String]
  let inquiries: [String]
  let interim: [String]
  let final: [String]
  let comments: [String]
  /// Key of a processing type of the service.
  let processing: String
  /// The issue service's type when such an inquiry is escalated; nil: it never is.
  var escalatesAs: String?
}

/// The templates of the consultation service.
enum DemoTopics {
  static let products: [String: [String]] = [
    "ko": ["무선 이어폰", "캠핑 의자", "전기 주전자", "운동화", "블루투스 스피커", "원목 책상", "겨울 이불", "커피 원두 1kg"],
    "en": ["wireless earbuds", "camping chair", "electric kettle", "running shoes", "desk lamp", "rain jacket"],
  ]

  static let care: [DemoTopic] = korean + english
  private static let escalated = (korean: korean.escalated, english: english.escalated)

  /// The topics in a language; those only that are escalated at times, when it is to be.
  static func care(in language: String, escalating: Bool) -> [DemoTopic] {
    if language == "ko" { return escalating ? escalated.korean : korean }
    return escalating ? escalated.english : english
  }

  private static let korean = [
    DemoTopic(
      language: "ko", type: "delivery.late",
      titles: ["{product} 배송이 언제 되나요?", "주문 {order} 배송 지연 문의", "긴급) {product} 아직도 안 왔어요"],
      inquiries: [
        "안녕하세요. {days}일 전에 주문한 {product}가 아직 도착하지 않았습니다. 주문번호는 {order}입니다. 언제쯤 받을 수 있을까요?\n연락처 {phone}",
        "주문번호 {order} 배송 조회를 하면 '집화 처리'에서 {days}일째 멈춰 있습니다. 확인 부탁드립니다.",
      ],
      interim: ["택배사에 위치 확인을 요청했습니다. 오늘 중으로 다시 안내드리겠습니다.", "물류센터에 재고와 출고 상태를 확인하고 있습니다."],
      final: [
        "확인 결과 상품이 오늘 오전에 출고되어 모레까지 도착할 예정입니다. 불편을 드려 죄송합니다.",
        "택배사 물량 증가로 지연되었습니다. 내일 받으실 수 있으며, 적립금 {amount}원을 지급해 드렸습니다.",
      ],
      comments: ["택배사 통화 완료, 내일 배송 예정.", "같은 지역 지연 건이 오늘만 세 건입니다."], processing: "answered.action"),
    DemoTopic(
      language: "ko", type: "delivery.address",
      titles: ["배송지를 바꾸고 싶습니다 ({order})", "이사해서 주소 변경 부탁드려요"],
      inquiries: [
        "{product}를 주문했는데 주소를 잘못 적었습니다. 아직 출고 전이면 바꿔 주세요. 주문번호 {order}, 전화 {phone}입니다.",
        "다음 주에 이사합니다. 정기배송 주소를 새 집으로 바꾸고 싶은데 메뉴를 찾지 못하겠습니다. {email}로 알려 주세요.",
      ],
      interim: ["출고 여부를 물류센터에 확인하고 있습니다. 잠시만 기다려 주세요."],
      final: ["새 주소로 변경했습니다. 주문 상세 화면에서 확인하실 수 있습니다.", "이미 출고되어, 기사님께 새 주소로 재배송을 요청했습니다."],
      comments: ["출고 전이라 주소만 수정."], processing: "answered.action"),
    DemoTopic(
      language: "ko", type: "delivery.damage",
      titles: ["받은 {product}가 깨져 있어요", "다른 상품이 왔습니다"],
      inquiries: [
        "오늘 받은 {product} 상자가 찌그러져 있고 안쪽이 깨져 있습니다. 교환해 주세요. 주문번호 {order}",
        "{product}를 주문했는데 다른 색상이 왔습니다. 맞는 상품으로 다시 보내 주세요. 연락처는 {phone}입니다.",
      ],
      interim: ["사진을 품질팀에 전달했습니다. 회수 기사님이 내일 방문합니다."],
      final: ["새 상품을 오늘 발송했습니다. 받으신 상품은 기사님께 전달해 주시면 됩니다. 불편을 드려 죄송합니다."],
      comments: ["파손 사진 확인, 포장 불량으로 보임.", "재고 2개 남음, 교환 출고 요청."], processing: "answered.action"),
    DemoTopic(
      language: "ko", type: "payment.twice",
      titles: ["결제가 두 번 됐습니다", "카드 승인 문자가 두 개 왔어요"],
      inquiries: [
        "{product} 결제 중에 화면이 멈춰서 다시 눌렀더니 {amount}원이 두 번 결제됐습니다. 한 건은 취소해 주세요. 주문번호 {order}",
        "주문은 하나인데 승인 문자가 두 번 왔습니다. 금액은 각각 {amount}원입니다. 환불받을 계좌 확인이 필요하면 {phone}으로 연락 주세요.",
      ],
      interim: ["결제 대행사에 승인 내역을 확인하고 있습니다. 하루 정도 걸릴 수 있습니다."],
      final: ["중복 승인 1건을 취소했습니다. 카드사에 따라 영업일 기준 3일에서 5일 안에 반영됩니다."],
      comments: ["PG 관리자 화면에서 두 건 모두 승인 상태 확인."], processing: "refunded", escalatesAs: "billing.twice"),
    DemoTopic(
      language: "ko", type: "payment.receipt",
      titles: ["현금영수증 발급 부탁드립니다", "세금계산서 요청 ({order})"],
      inquiries: [
        "주문 {order} 현금영수증을 신청하지 못했습니다. 번호는 {phone}입니다. 발급해 주세요.",
        "회사 비용 처리를 위해 세금계산서가 필요합니다. {email}로 보내 주세요.",
      ],
      interim: ["회계팀에 발급을 요청했습니다."],
      final: ["현금영수증을 발급했습니다. 내일부터 홈택스에서 조회하실 수 있습니다.", "세금계산서를 보내 드렸습니다. 스팸함도 확인해 주세요."],
      comments: ["발급 완료."], processing: "answered.action"),
    DemoTopic(
      language: "ko", type: "refund.request",
      titles: ["{product} 환불하고 싶어요", "환불은 언제 되나요? ({order})"],
      inquiries: [
        "{product}가 생각했던 것과 달라 환불하고 싶습니다. 포장은 뜯지 않았습니다. 주문번호는 {order}입니다.",
        "반품 상품이 {days}일 전에 도착했다고 나오는데 환불이 되지 않았습니다. 금액은 {amount}원입니다. 본인 확인이 필요하면 {resident}로 확인해 주세요.",
      ],
      interim: ["반품 상품 검수 중입니다. 보통 이틀 안에 끝납니다."],
      final: ["검수가 끝나 {amount}원을 환불했습니다. 영업일 기준 3일 안에 확인하실 수 있습니다."],
      comments: ["검수 대기.", "고객이 본인 확인 정보를 본문에 적었으니 마스킹 필요."], processing: "refunded"),
    DemoTopic(
      language: "ko", type: "refund.exchange",
      titles: ["사이즈 교환 문의", "{product} 색상 교환 가능한가요?"],
      inquiries: ["{product} 사이즈가 작아서 한 치수 큰 것으로 바꾸고 싶습니다. 주문번호 {order}, 배송비는 어떻게 되나요?"],
      interim: ["원하시는 사이즈의 재고를 확인하고 있습니다."],
      final: ["교환 접수를 완료했습니다. 왕복 배송비 6,000원은 다음 결제 때 함께 청구됩니다."],
      comments: ["270 사이즈 재고 없음, 다음 주 입고."], processing: "answered.guide"),
    DemoTopic(
      language: "ko", type: "account.signin",
      titles: ["로그인이 안 됩니다", "비밀번호 재설정 메일이 오지 않아요", "급해요! 앱이 로그인하면 바로 꺼져요"],
      inquiries: [
        "비밀번호를 바꾼 뒤로 로그인이 되지 않습니다. 아이디는 {email}입니다. 확인해 주세요.",
        "앱에서 로그인 버튼을 누르면 바로 꺼집니다. 다시 설치해도 같습니다. 연락처 {phone}",
      ],
      interim: ["계정 상태를 확인하고 있습니다. 곧 다시 안내드리겠습니다.", "개발팀에 확인을 요청했습니다."],
      final: ["비밀번호 재설정 메일을 다시 보내 드렸습니다. 30분 안에 사용해 주세요.", "앱 새 버전에서 해결되었습니다. 스토어에서 업데이트해 주세요."],
      comments: ["최근 업데이트 이후 같은 문의 증가."], processing: "answered.guide", escalatesAs: "app.crash"),
    DemoTopic(
      language: "ko", type: "account.change",
      titles: ["휴대폰 번호를 바꿨어요", "탈퇴 후 재가입 문의"],
      inquiries: ["번호가 {phone}으로 바뀌었는데 인증이 되지 않아 회원정보를 고칠 수 없습니다. 생년월일 확인용 주민번호는 {resident}입니다."],
      interim: ["본인 확인 절차를 안내드리기 위해 담당자가 연락드릴 예정입니다."],
      final: ["새 번호로 변경했습니다. 주민등록번호는 저희가 요청하지 않으니 앞으로는 적지 말아 주세요."],
      comments: ["주민번호 마스킹 요청."], processing: "answered.action"),
    DemoTopic(
      language: "ko", type: "other", titles: ["매장 재입고 알림 문의", "선물 포장 되나요?"],
      inquiries: ["{product} 품절인데 다시 들어오나요? 알림이 오지 않습니다.", "{product} 선물 포장과 카드 동봉이 되는지 궁금합니다."],
      interim: ["상품 담당자에게 입고 일정을 확인하고 있습니다."],
      final: ["다음 주 화요일에 다시 입고됩니다. 알림을 새로 신청해 두었습니다.", "선물 포장은 주문서에서 선택하실 수 있습니다."],
      comments: ["입고 일정 확인."], processing: "answered.guide", escalatesAs: "app.push"),
  ]

  private static let english = [
    DemoTopic(
      language: "en", type: "delivery.late", titles: ["Where is my {product}?", "Order {order} has not arrived"],
      inquiries: [
        "Hello, I ordered a {product} {days} days ago (order {order}) and the tracking page has not moved since. "
          + "When will it arrive? You can call me at {phone}."
      ],
      interim: ["We have asked the carrier to trace the parcel and will write again within a day."],
      final: ["Your parcel left our warehouse this morning and should reach you in two days. Sorry for the wait."],
      comments: ["Carrier confirms it was left behind at the hub."], processing: "answered.action"),
    DemoTopic(
      language: "en", type: "payment.twice", titles: ["Charged twice for order {order}", "Urgent: double charge"],
      inquiries: [
        "My card was charged {amount} won twice for the {product}. Please cancel one. My address is {email}."
      ],
      interim: ["Our payment provider is checking both charges. This takes about a day."],
      final: ["One of the two charges was cancelled; it disappears from your statement within five working days."],
      comments: ["Both approvals are visible at the provider."], processing: "refunded", escalatesAs: "billing.twice"),
    DemoTopic(
      language: "en", type: "refund.request", titles: ["Return of {product}", "How do I send this back?"],
      inquiries: ["I would like to return the {product} from order {order}; it is unopened. How does the refund work?"],
      interim: ["The return label is on its way to you."],
      final: ["We received the {product} and refunded {amount} won. Thank you for your patience."],
      comments: ["Inspected, as new."], processing: "refunded"),
    DemoTopic(
      language: "en", type: "account.signin", titles: ["Cannot sign in", "The app closes when I sign in"],
      inquiries: ["Since yesterday the app closes as soon as I sign in with {email}. Reinstalling did not help."],
      interim: ["Our developers are looking at it; a fix is in testing."],
      final: ["The new version of the app, out since this morning, fixes this. Please update and try again."],
      comments: ["Same symptom as three other tickets this week."], processing: "answered.guide",
      escalatesAs: "app.crash"),
    DemoTopic(
      language: "en", type: "other", titles: ["Do you ship abroad?", "Gift wrapping for {product}"],
      inquiries: ["Do you deliver to Japan, and what does it cost? I am interested in the {product}."],
      interim: ["We are asking our shipping partner for a price."],
      final: ["At the moment we deliver within Korea only. We hope to change that next year."],
      comments: ["Third question about Japan this month."], processing: "answered.guide"),
  ]
}

extension [DemoTopic] {
  fileprivate var escalated: [DemoTopic] { filter { $0.escalatesAs != nil } }
}

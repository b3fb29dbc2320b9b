import TicketLedger

/// The demo organization: a shop with a consultation service and an issue service. It speaks Korean and English.
enum DemoOrganization {
  static let code = "aram"
  static let displayName = "아람마켓 Aram Market"

  /// Somebody who works there.
  struct Person: Sendable {
    /// Stands for the person in the tables below.
    let key: String
    let displayName: String
    /// The part of the address before `@example.com`.
    let mailbox: String
    var isAdministrator = false

    var email: String { "\(mailbox)@example.com" }
  }

  static let administrator = Person(
    key: "admin", displayName: "윤지혜", mailbox: "jihye.yoon", isAdministrator: true)

  static let agents = [
    Person(key: "seoyeon", displayName: "김서연", mailbox: "seoyeon.kim"),
    Person(key: "junho", displayName: "이준호", mailbox: "junho.lee"),
    Person(key: "jimin", displayName: "박지민", mailbox: "jimin.park"),
    Person(key: "sua", displayName: "최수아", mailbox: "sua.choi"),
    Person(key: "emily", displayName: "Emily Carter", mailbox: "emily.carter"),
    Person(key: "minjae", displayName: "정민재", mailbox: "minjae.jung"),
    Person(key: "doyun", displayName: "한도윤", mailbox: "doyun.han"),
    Person(key: "haeun", displayName: "오하은", mailbox: "haeun.oh"),
  ]

  static let people = [administrator] + agents

  /// Some agents of a service.
  struct Group: Sendable {
    let key: String
    let displayName: String
    let members: [String]
  }

  /// A node of a type tree with its children.
  struct TypeTree: Sendable {
    let key: String
    let displayName: String
    var children: [TypeTree] = []
  }

  /// A service with all that belongs to it.
  struct Service: Sendable {
    let code: String
    let kind: ServiceKind
    let displayName: String
    let senderName: String
    let senderAddress: String
    let groups: [Group]
    /// Members who may hand tickets on.
    let forwarders: Set<String>
    let submissionTypes: [TypeTree]
    let processingTypes: [TypeTree]
    /// The group of the sequential trigger and its agents in turn.
    let rotation: (trigger: String, group: String, agents: [String])
    let bannedWords: [String]

    /// The keys of all members, the administrator included, in the order of `people`.
    var members: [String] {
      let keys = Set(groups.flatMap(\.members))
      return people.filter { $0.isAdministrator || keys.contains($0.key) }.map(\.key)
    }
  }

  static let care = Service(
    code: "care", kind: .consultation, displayName: "고객 상담 Customer Care", senderName: "아람마켓 고객센터",
    senderAddress: "care@example.com",
    groups: [
      Group(key: "general", displayName: "일반 상담", members: ["seoyeon", "junho", "jimin", "sua"]),
      Group(key: "delivery", displayName: "배송·반품", members: ["jimin", "sua", "minjae"]),
      Group(key: "english", displayName: "English desk", members: ["emily", "junho"]),
    ],
    forwarders: ["seoyeon", "junho", "jimin", "sua", "emily"],
    submissionTypes: [
      TypeTree(
        key: "delivery", displayName: "배송",
        children: [
          TypeTree(key: "delivery.late", displayName: "배송 지연"),
          TypeTree(key: "delivery.address", displayName: "배송지 변경"),
          TypeTree(key: "delivery.damage", displayName: "파손·오배송"),
        ]),
      TypeTree(
        key: "payment", displayName: "결제",
        children: [
          TypeTree(key: "payment.twice", displayName: "중복 결제"),
          TypeTree(key: "payment.receipt", displayName: "영수증·세금계산서"),
        ]),
      TypeTree(
        key: "refund", displayName: "교환·환불",
        children: [
          TypeTree(key: "refund.request", displayName: "환불 요청"),
          TypeTree(key: "refund.exchange", displayName: "교환 요청"),
        ]),
      TypeTree(
        key: "account", displayName: "회원",
        children: [
          TypeTree(key: "account.signin", displayName: "로그인"),
          TypeTree(key: "account.change", displayName: "회원정보 변경"),
        ]),
      TypeTree(key: "other", displayName: "기타"),
    ],
    processingTypes: [
      TypeTree(
        key: "answered", displayName: "답변 완료",
        children: [
          TypeTree(key: "answered.guide", displayName: "이용 안내"),
          TypeTree(key: "answered.action", displayName: "처리 후 안내"),
        ]),
      TypeTree(key: "refunded", displayName: "환불 처리"),
      TypeTree(key: "escalated", displayName: "이관 처리"),
      TypeTree(key: "none", displayName: "답변 불필요"),
    ],
    rotation: ("새 문의 순차 배정", "general", ["seoyeon", "junho", "jimin", "sua"]),
    bannedWords: ["바보", "멍청", "stupid", "idiot"])

  static let tech = Service(
    code: "tech", kind: .issue, displayName: "기술 이슈 Technical Issues", senderName: "아람마켓 기술지원",
    senderAddress: "tech@example.com",
    groups: [
      Group(key: "payments", displayName: "결제·정산", members: ["doyun", "minjae"]),
      Group(key: "apps", displayName: "앱·웹", members: ["haeun", "doyun", "emily"]),
    ],
    forwarders: ["doyun", "haeun"],
    submissionTypes: [
      TypeTree(
        key: "app", displayName: "앱 오류",
        children: [
          TypeTree(key: "app.crash", displayName: "앱 종료"),
          TypeTree(key: "app.push", displayName: "알림"),
        ]),
      TypeTree(
        key: "billing", displayName: "결제 오류",
        children: [
          TypeTree(key: "billing.twice", displayName: "이중 승인"),
          TypeTree(key: "billing.settle", displayName: "정산 차이"),
        ]),
    ],
    processingTypes: [
      TypeTree(key: "fixed", displayName: "수정 완료"),
      TypeTree(key: "known", displayName: "알려진 문제"),
      TypeTree(key: "nofault", displayName: "문제 없음"),
    ],
    rotation: ("이관 티켓 순차 배정", "payments", ["doyun", "minjae"]),
    bannedWords: ["바보", "stupid"])

  static let services = [care, tech]

  static func service(_ code: String) -> Service? { services.first { $0.code == code } }
}

import TicketLedger

/// Makes the demo tickets: believable, and the same for the same seed.
struct DemoGenerator {
  /// Where a ticket of the demo data stands today; the number of each is in `plan`.
  private enum Fate {
    case unassigned, processing, reopened, pending
    case escalating, escalationAnswered
    case doorayEscalated, doorayInProgress, doorayAnswered
    case resolved, resolvedInternally, spam
    case completed, completedAfterEscalation

    /// The same for a ticket that no issue service is asked about.
    var unescalated: Fate {
      switch self {
      case .escalating: .processing
      case .escalationAnswered: .pending
      case .completedAfterEscalation: .completed
      default: self
      }
    }
  }

  private static let carePlan: [(Fate, Int)] = [
    (.unassigned, 22), (.processing, 52), (.reopened, 12), (.pending, 34), (.escalating, 14),
    (.escalationAnswered, 12), (.doorayEscalated, 4), (.doorayInProgress, 3), (.doorayAnswered, 4), (.resolved, 82),
    (.resolvedInternally, 14), (.spam, 8), (.completed, 126), (.completedAfterEscalation, 14),
  ]
  private static let techPlan: [(Fate, Int)] = [
    (.unassigned, 6), (.processing, 12), (.pending, 6), (.doorayEscalated, 3), (.doorayInProgress, 2),
    (.doorayAnswered, 2), (.resolved, 12), (.completed, 16),
  ]

  private static let minute = 60
  private static let hour = 3600
  private static let day = 86_400

  private static let channels: [TicketChannel] = [
    .helpCenter, .helpCenter, .helpCenter, .helpCenterMobile, .helpCenterMobile, .email, .email, .chat, .phone, .api,
  ]
  private static let priorities: [TicketPriority] = [
    .normal, .normal, .normal, .normal, .normal, .normal, .high, .low,
  ]
  /// Titles that say themselves that they are urgent.
  private static let urgentTitles: Set<String> = {
    let titles = (DemoTopics.care + DemoIssueTopics.all).flatMap(\.titles)
    return Set(titles.filter { title in ["긴급", "급해요", "Urgent"].contains { title.contains($0) } })
  }()
  private static let agents = DemoOrganization.care.rotation.agents

  private(set) var customers: [DemoCustomer] = []
  /// The customers of a language, by their places.
  private var people: [String: [Int]] = [:]
  private(set) var tickets: [DemoTicket] = []
  private var random: DemoRandom

  /// Generates customers and tickets, the oldest first; 500 tickets, those that were escalated counted too.
  init(seed: UInt64 = 2024) {
    random = DemoRandom(seed: seed)
    makeCustomers()
    for (fate, count) in Self.carePlan {
      for _ in 0..<count { tickets.append(makeCare(fate)) }
    }
    for (fate, count) in Self.techPlan {
      for _ in 0..<count { tickets.append(makeTech(fate)) }
    }
    tickets.sort { $0.age > $1.age }
  }

  /// Generates customers only, for tickets that are asked for one by one.
  init(seed: UInt64, ticketsBy _: Void) {
    random = DemoRandom(seed: seed)
    makeCustomers()
  }

  /// The next ticket of many, received so many seconds ago; nine of ten of the consultation service, some of which were
  /// escalated to the other one.
  ///
  /// - Parameter escalates: whether there may be an issue ticket with it.
  mutating func next(age: Int, escalates: Bool) -> DemoTicket {
    let isTech = random.chance(10)
    var fate = Self.fate(age, random.number(0...999))
    if isTech || !escalates { fate = fate.unescalated }
    var ticket = isTech ? makeTech(fate, age: age) : makeCare(fate, age: age)
    Self.completeDue(&ticket)
    return ticket
  }

  /// Completes a resolved ticket whose two weeks have passed: the daemons would do so as soon as they see it. So is the
  /// issue ticket that it was escalated to.
  private static func completeDue(_ ticket: inout DemoTicket) {
    for (index, step) in ticket.steps.enumerated() {
      guard case .escalate(let agent, let text, var issue) = step.act else { continue }
      completeDue(&issue)
      ticket.steps[index] = DemoStep(time: step.time, act: .escalate(agent, text: text, issue: issue))
    }
    guard let last = ticket.steps.last, last.act.leavesResolved, ticket.age - last.time >= 14 * day else { return }
    ticket.steps.append(DemoStep(time: last.time + 14 * day, act: .autoComplete))
  }

  /// Where a ticket of some age stands, by a number below 1,000: nearly all old ones are done, and none is left with an
  /// answer past the two weeks after which the daemons would complete it at once.
  private static func fate(_ age: Int, _ draw: Int) -> Fate {
    if age > 12 * day {
      switch draw {
      case 0..<872: return .completed
      case 872..<922: return .completedAfterEscalation
      case 922..<927: return .escalationAnswered
      case 927..<932: return .escalating
      case 932..<962: return .resolvedInternally
      case 962..<977: return .spam
      case 977..<982: return .pending
      case 982..<985: return .processing
      case 985..<995: return .doorayAnswered
      case 995..<998: return .reopened
      default: return .unassigned
      }
    }
    switch draw {
    case 0..<450: return .resolved
    case 450..<475: return .escalating
    case 475..<500: return .escalationAnswered
    case 500..<560: return .resolvedInternally
    case 560..<590: return .spam
    case 590..<720: return .pending
    case 720..<860: return .processing
    case 860..<890: return .reopened
    case 890..<900: return .doorayEscalated
    case 900..<910: return .doorayInProgress
    default: return .unassigned
    }
  }

  private mutating func makeCustomers() {
    for round in 1...4 {
      for (name, mailbox) in DemoNames.korean {
        let address = round == 1 ? mailbox : "\(mailbox)\(round)"
        customers.append(
          DemoCustomer(
            displayName: name, email: "\(address)@\(random.pick(DemoRandom.domains))",
            phone: DemoPhone.korean(&random).text.filter { $0 != "-" }, language: "ko"))
      }
    }
    for (name, mailbox) in DemoNames.english {
      customers.append(
        DemoCustomer(
          displayName: name, email: "\(mailbox)@\(random.pick(DemoRandom.domains))",
          phone: DemoPhone.american(&random).text.filter { $0 != "-" }, language: "en"))
    }
    people = Dictionary(grouping: customers.indices) { customers[$0].language }
  }

  private mutating func makeCare(_ fate: Fate, age: Int? = nil) -> DemoTicket {
    let escalates = [.escalating, .escalationAnswered, .completedAfterEscalation].contains(fate)
    let language = random.chance(78) ? "ko" : "en"
    let topic = random.pick(DemoTopics.care(in: language, escalating: escalates))
    var ticket = makeTicket(topic, service: "care", age: age ?? self.age(of: fate))
    let agent = language == "en" && random.chance(60) ? "emily" : random.pick(Self.agents)
    let group = agent == "emily" ? "english" : "general"
    var story = Story(age: ticket.age)
    if fate != .unassigned { takeOver(&story, agent, group: group) }
    if fate == .spam {
      ticket.title = language == "ko" ? "(광고) 지금 가입하면 혜택 두 배" : "Congratulations, you have won"
      ticket.inquiry =
        language == "ko" ? "지금 바로 접속하세요. https://www.example.net/win" : "Visit https://www.example.net/win"
      story.add(.resolveInternally(agent, .spam, text: ""), within: 5 * Self.minute...3 * Self.hour, &random)
    }
    tell(fate, topic, agent, &story)
    ticket.steps = story.steps
    return ticket
  }

  private mutating func tell(_ fate: Fate, _ topic: DemoTopic, _ agent: String, _ story: inout Story) {
    if random.chance(35), fate != .unassigned, fate != .spam {
      story.add(.comment(agent, text: fill(random.pick(topic.comments), topic)), within: soon, &random)
    }
    switch fate {
    case .unassigned, .spam: break
    case .processing:
      if random.chance(20) { handOn(agent, topic, &story) }
    case .pending: hold(agent, topic, &story)
    case .reopened:
      resolve(agent, topic, &story)
      story.add(.customerReply(followUp(topic)), within: later, &random)
    case .escalating, .escalationAnswered, .completedAfterEscalation: escalate(fate, agent, topic, &story)
    case .doorayEscalated, .doorayInProgress, .doorayAnswered: toDooray(fate, agent, &story)
    case .resolvedInternally:
      let reasons: [InternalReason] = [.test, .duplicate, .chatSolved, .callSolved, .others, .abuse]
      let text = topic.language == "ko" ? "통화로 안내하고 종료합니다." : "Closed after a call."
      story.add(.resolveInternally(agent, random.pick(reasons), text: text), within: later, &random)
    case .resolved, .completed:
      if random.chance(30) { hold(agent, topic, &story) }
      let holder = random.chance(12) ? handOn(agent, topic, &story) : agent
      resolve(holder, topic, &story)
      if fate == .completed { complete(&story) }
    }
  }

  private mutating func makeTech(_ fate: Fate, age: Int? = nil) -> DemoTicket {
    let topic = random.pick(DemoIssueTopics.all)
    var ticket = makeTicket(topic, service: "tech", age: age ?? self.age(of: fate))
    let agent = random.pick(issueAgents(topic.type))
    ticket.channel = .manual
    ticket.creator = agent
    var story = Story(age: ticket.age)
    if fate != .unassigned { takeOver(&story, agent, group: issueGroup(topic.type)) }
    tell(fate, topic, agent, &story)
    ticket.steps = story.steps
    return ticket
  }

  private func issueGroup(_ type: String) -> String { type.hasPrefix("billing") ? "payments" : "apps" }

  private func issueAgents(_ type: String) -> [String] {
    type.hasPrefix("billing") ? ["doyun", "minjae"] : ["haeun", "doyun"]
  }

  private var soon: ClosedRange<Int> { 3 * Self.minute...90 * Self.minute }
  private var later: ClosedRange<Int> { 40 * Self.minute...20 * Self.hour }

  private mutating func takeOver(_ story: inout Story, _ agent: String, group: String) {
    if random.chance(70), group != "english" {
      story.add(.assign(agent, group: group), within: 1...2, &random)
    } else {
      story.add(.keep(agent, group: group), within: 2 * Self.minute...2 * Self.hour, &random)
    }
  }

  /// Hands the ticket to a colleague of the same service, who is returned.
  @discardableResult
  private mutating func handOn(_ agent: String, _ topic: DemoTopic, _ story: inout Story) -> String {
    let isIssue = DemoIssueTopics.all.contains { $0.type == topic.type }
    let colleagues = isIssue ? issueAgents(topic.type) : Self.agents
    let colleague = random.pick(colleagues.filter { $0 != agent })
    let service = isIssue ? DemoOrganization.tech : DemoOrganization.care
    let by = service.forwarders.contains(agent) ? agent : DemoOrganization.administrator.key
    let group = isIssue ? issueGroup(topic.type) : "general"
    story.add(.forward(by: by, to: colleague, group: group), within: soon, &random)
    return colleague
  }

  private mutating func hold(_ agent: String, _ topic: DemoTopic, _ story: inout Story) {
    story.add(.hold(agent, text: fill(random.pick(topic.interim), topic)), within: later, &random)
  }

  private mutating func resolve(_ agent: String, _ topic: DemoTopic, _ story: inout Story) {
    let text = fill(random.pick(topic.final), topic)
    story.add(.resolve(agent, text: text, processing: topic.processing), within: later, &random)
  }

  private mutating func complete(_ story: inout Story) {
    // Two weeks after its answer, which may have taken some days, a ticket completes by itself.
    if story.age > 20 * Self.day, random.chance(70) {
      story.add(.autoComplete, within: 14 * Self.day...14 * Self.day + Self.minute, &random)
    } else {
      story.add(.complete(DemoOrganization.administrator.key), within: Self.day...6 * Self.day, &random)
    }
  }

  private mutating func toDooray(_ fate: Fate, _ agent: String, _ story: inout Story) {
    story.add(.escalateToDooray(agent), within: later, &random)
    if fate != .doorayEscalated { story.add(.doorayWorking, within: later, &random) }
    if fate == .doorayAnswered { story.add(.doorayClosed, within: later, &random) }
  }

  private mutating func escalate(_ fate: Fate, _ agent: String, _ topic: DemoTopic, _ story: inout Story) {
    let candidates = DemoIssueTopics.all.filter { $0.type == topic.escalatesAs }
    let issueTopic = random.pick(candidates.isEmpty ? DemoIssueTopics.all : candidates)
    let text = fill(random.pick(issueTopic.inquiries), issueTopic)
    let start = story.nextTime(within: later, &random)
    var issue = makeTicket(issueTopic, service: "tech", age: story.age - start)
    issue.inquiry = text
    issue.channel = .escalation
    var issueStory = Story(age: issue.age)
    let engineer = random.pick(issueAgents(issueTopic.type))
    if fate != .escalating || random.chance(70) {
      takeOver(&issueStory, engineer, group: issueGroup(issueTopic.type))
    }
    let answer = fill(random.pick(fate == .escalating ? issueTopic.interim : issueTopic.final), issueTopic)
    if fate != .escalating {
      issueStory.add(.resolve(engineer, text: answer, processing: issueTopic.processing), within: later, &random)
    }
    let answerTime = start + (issueStory.steps.last?.time ?? 0)
    if fate == .completedAfterEscalation {
      issueStory.add(.autoComplete, within: 14 * Self.day...14 * Self.day + Self.minute, &random)
    }
    issue.steps = issueStory.steps
    story.add(.escalate(agent, text: text, issue: issue), at: start)
    guard fate != .escalating else { return }
    story.add(.receiveEscalationAnswer(answer), at: answerTime)
    guard fate == .completedAfterEscalation else { return }
    resolve(agent, topic, &story)
    complete(&story)
  }

  /// Seconds since the ticket came in; completed ones are old, because resolved ones complete after two weeks.
  private mutating func age(of fate: Fate) -> Int {
    switch fate {
    case .unassigned: random.number(4 * Self.minute...30 * Self.hour)
    case .processing: random.number(Self.hour...4 * Self.day)
    case .pending: random.number(Self.day...7 * Self.day)
    case .reopened, .resolved, .resolvedInternally, .spam: random.number(36 * Self.hour...12 * Self.day)
    case .escalating: random.number(Self.day...5 * Self.day)
    case .escalationAnswered, .doorayEscalated, .doorayInProgress, .doorayAnswered:
      random.number(4 * Self.day...9 * Self.day)
    case .completed, .completedAfterEscalation: random.number(20 * Self.day...170 * Self.day)
    }
  }

  private mutating func makeTicket(_ topic: DemoTopic, service: String, age: Int) -> DemoTicket {
    let title = random.pick(topic.titles)
    return DemoTicket(
      service: service, language: topic.language, type: topic.type, title: fill(title, topic),
      inquiry: fill(random.pick(topic.inquiries), topic), channel: random.pick(Self.channels),
      priority: Self.urgentTitles.contains(title) ? .urgent : random.pick(Self.priorities),
      customer: random.pick(people[topic.language] ?? []), age: age)
  }

  private mutating func followUp(_ topic: DemoTopic) -> String {
    topic.language == "ko"
      ? random.pick(["답변 감사합니다. 그런데 아직 해결되지 않았습니다. 다시 확인해 주세요.", "안내해 주신 대로 했는데 똑같습니다."])
      : random.pick([
        "Thanks, but it still does not work.", "I did as you said and nothing changed. Please look again.",
      ])
  }

  /// Puts values into the slots of a text.
  private mutating func fill(_ template: String, _ topic: DemoTopic) -> String {
    var rest = template.utf8[...]
    guard rest.contains(UInt8(ascii: "{")) else { return template }
    let values = DemoSlots(topic.language, &random)
    var text = ""
    while let open = rest.firstIndex(of: UInt8(ascii: "{")),
      let close = rest[open...].firstIndex(of: UInt8(ascii: "}"))
    {
      text += Substring(rest[..<open])
      text += values[Substring(rest[rest.index(after: open)..<close])]
      rest = rest[rest.index(after: close)...]
    }
    return text + Substring(rest)
  }
}

/// The steps of one ticket, in time order and all before now.
private struct Story {
  let age: Int
  private(set) var steps: [DemoStep] = []

  init(age: Int) {
    self.age = age
  }

  mutating func add(_ act: DemoStep.Act, within range: ClosedRange<Int>, _ random: inout DemoRandom) {
    add(act, at: nextTime(within: range, &random))
  }

  mutating func add(_ act: DemoStep.Act, at time: Int) {
    steps.append(DemoStep(time: time, act: act))
  }

  /// A time after the last step by `range`, or half-way to now when that would lie in the future.
  func nextTime(within range: ClosedRange<Int>, _ random: inout DemoRandom) -> Int {
    let last = steps.last?.time ?? 0
    let time = last + random.number(range)
    return time < age ? time : last + max(1, (age - last) / 2)
  }
}

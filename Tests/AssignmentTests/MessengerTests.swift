import EventLoop
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Masking
import Outbound
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Messages into messenger channels", .timeLimit(.minutes(10)))
struct MessengerTests {
  @Test("a trigger's message is written with its codes filled, and the ticket tells that it was")
  func written() async throws {
    let desk = try await MessengerOffice()
    let hook = try await desk.hook()
    let trigger = try await desk.office.trigger(
      [.isNew], .group("services/care/groups/\(Desk.front)"),
      .message(
        hook, "#{serviceName} #{ticketId}: #{subject} (#{customerName}, #{groupName})\n#{inquiry}", botName: "알림"))
    let name = try await desk.ticket()
    try await desk.deliver()
    let messages = try await desk.messenger.messages(MessengerOffice.hooks[0])
    let message = try #require(messages.first)
    #expect(messages.count == 1 && message.botName == "알림")
    #expect(message.text.hasSuffix(" \(name.id): 세탁기에서 물이 새요 (홍길동, Front)\n아래로 물이 나와요."), "\(message.text)")
    #expect(try await desk.office.events(name) == ["TRIGGER_FIRED", "GROUP_SET", "MESSAGE_QUEUED", "MESSAGE_SENT"])
    #expect(try await desk.office.desk.number("SELECT count(*) FROM outbox WHERE topic = 'MESSENGER'") == 0)
    let simulated = try await desk.office.service.simulateTriggers(
      SimulateTriggersRequest(parent: "services/care", ticket: name.description),
      desk.office.call("SimulateTriggers", by: Desk.boss))
    #expect(simulated.tickets.first?.firings.first?.sends == [hook.name] && !trigger.name.isEmpty)
  }

  @Test("the URL is never shown again, nor stored in clear, and another one can be entered")
  func secret() async throws {
    let desk = try await MessengerOffice()
    let hook = try await desk.hook()
    #expect(hook.url.isEmpty && hook.urlTime != nil && hook.version == 1)
    let listed = try await desk.list()
    #expect(listed == [hook])
    let clear = try await desk.office.desk.number(
      "SELECT count(*) FROM messenger_hook WHERE position('first-secret'::bytea IN sealed_url) > 0")
    #expect(clear == 0)
    try await desk.office.trigger([.isNew], .message(hook, "#{ticketId}"))
    var wanted = hook
    wanted.url = desk.messenger.url(MessengerOffice.hooks[1])
    let updated = try await desk.update(wanted, ["url"])
    #expect(updated.version == 2 && updated.url.isEmpty && updated.displayName == hook.displayName)
    #expect(await refusal { _ = try await desk.update(wanted) }?.reason == .staleVersion)
    wanted.version = 0
    wanted.displayName = "다른 채널"
    #expect(try await desk.update(wanted, ["display_name"]).displayName == "다른 채널")
    _ = try await desk.ticket()
    try await desk.deliver()
    #expect(try await desk.messenger.messages(MessengerOffice.hooks[1]).count == 1)
    #expect(try await desk.messenger.messages(MessengerOffice.hooks[0]).isEmpty)
  }

  @Test("what is wrong with a trigger's message is told with its path")
  func paths() async throws {
    let desk = try await MessengerOffice()
    let hook = try await desk.hook()
    try await desk.office.execute(
      """
      INSERT INTO ticket_field (service_id, code, kind, audience, display_name, is_administrators_only)
      VALUES (1, 'order_number', 'TEXT', 'CUSTOMER', '주문 번호', false), (1, 'verdict', 'TEXT', 'AGENT', '판정', true)
      """)
    let other = MessengerHook(name: "services/care/messengerHooks/999")
    let foreign = MessengerHook(name: "services/bugs/messengerHooks/1")
    let long = String(repeating: "가", count: 5001)
    for (result, field, words) in [
      (TriggerResult.Result.message(other, "a"), "hook", "is not a messenger hook of this service"),
      (.message(foreign, "a"), "hook", "is not a messenger hook of this service"),
      (.message(MessengerHook(), "a"), "hook", "messengerHooks"),
      (.message(hook, " \n"), "text", "must not be empty"), (.message(hook, long), "text", "at most 5000"),
      (.message(hook, "#{orderNumber}"), "text", "holds the code #{orderNumber}, which means nothing"),
      (.message(hook, "#{field.nothing}"), "text", "the service has no field nothing"),
      (.message(hook, "#{field.verdict}"), "text", "no field verdict that everybody may see"),
      (.message(hook, "a", botName: String(repeating: "b", count: 31)), "bot_name", "at most 30"),
      (.message(hook, "a", botName: "a\nb"), "bot_name", "one line"),
    ] {
      let error = await refusal { try await desk.office.trigger([.isNew], .priority(.high), result) }
      let violation = error?.violations.first
      #expect(
        error?.reason == .requestInvalid && error?.violations.count == 1, "\(words): \(String(describing: error))")
      #expect(violation?.field == "trigger.results[1].messenger.\(field)", "\(words)")
      #expect(violation?.description.contains(words) == true, "\(words): \(violation?.description ?? "")")
    }
    try await desk.office.trigger([.isNew], .message(hook, "#{field.order_number} #{subject}"))
    _ = try await desk.ticket()
    try await desk.deliver()
    #expect(try await desk.messenger.messages(MessengerOffice.hooks[0]).map(\.text) == [" 세탁기에서 물이 새요"])
    let noted = try await desk.office.desk.number("SELECT count(*) FROM trigger_reference WHERE field_id IS NOT NULL")
    #expect(noted == 1, "the field cannot be deleted")
  }

  @Test("a field that was kept for administrators since stays out of the channel")
  func keptForAdministrators() async throws {
    let desk = try await MessengerOffice()
    let hook = try await desk.hook()
    try await desk.office.execute(
      """
      INSERT INTO ticket_field (service_id, code, kind, audience, display_name)
      VALUES (1, 'verdict', 'TEXT', 'AGENT', '판정')
      """)
    try await desk.office.trigger([.isNew], .message(hook, "판정: #{field.verdict}"))
    _ = try await desk.ticket()
    try await desk.office.execute(
      """
      INSERT INTO ticket_field_value (service_id, ticket_id, field_id, value)
      SELECT t.service_id, t.id, f.id, '기각' FROM ticket AS t JOIN ticket_field AS f ON f.service_id = t.service_id
      """)
    try await desk.office.execute("UPDATE ticket_field SET is_administrators_only = true")
    try await desk.deliver()
    #expect(try await desk.messenger.messages(MessengerOffice.hooks[0]).map(\.text) == ["판정: "])
  }

  @Test("a hook that leads to a forbidden address, or has no name, is refused without repeating its URL")
  func refusedHooks() async throws {
    let desk = try await MessengerOffice(rules: CallbackRules())
    for url in [
      "http://hook.dooray.com/services/1", "https://127.0.0.1/services/1", "https://[::1]/", "", "https://a b/",
    ] {
      let error = await refusal {
        _ = try await desk.office.service.createMessengerHook(
          CreateMessengerHookRequest(
            parent: "services/care", messengerHook: MessengerHook(displayName: " ", url: url)),
          desk.office.call("CreateMessengerHook", by: Desk.boss))
      }
      #expect(error?.violations.map(\.field) == ["messenger_hook.display_name", "messenger_hook.url"], "\(url)")
      #expect(error?.violations.contains { $0.description.contains("/services/1") } == false)
    }
  }

  @Test("what is masked while a message waits is written masked")
  func masked() async throws {
    let desk = try await MessengerOffice()
    try await desk.office.trigger([.isNew], .message(try await desk.hook(), "#{subject}"))
    let name = try await desk.ticket(title: "카드 9411-1111 분실")
    _ = try await desk.masking().createMasks(
      CreateMasksRequest(parent: name.description, spans: [TextSpan(start: 3, length: 9)]),
      desk.office.desk.call("CreateMasks", by: Desk.kim, service: "MaskingService"))
    try await desk.deliver()
    #expect(try await desk.messenger.messages(MessengerOffice.hooks[0]).map(\.text) == ["카드 ********* 분실"])
  }

  @Test("a customer's words call nobody in the channel, and what is very long is cut off")
  func harmless() async throws {
    let desk = try await MessengerOffice()
    try await desk.office.trigger(
      [.isNew], .message(try await desk.hook(), "#{subject} #{ticketId}", botName: "알림"),
      .message(try await desk.hook(), String(repeating: "#{inquiry}", count: 400)))
    let name = try await desk.office.ticket(
      title: "[@모두](Dooray://1/members/all \"member\")", content: String(repeating: "가", count: 100))
    try await desk.office.run(name)
    try await desk.deliver()
    let texts = Set(try await desk.messenger.messages(MessengerOffice.hooks[0]).map(\.text))
    #expect(texts.contains("[@모두](Dooray: //1/members/all \"member\") \(name.id)"))
    #expect(texts.contains(String(repeating: "가", count: MessageText.charactersMax) + "…"))
  }

  @Test("no code and no two codes together make a link that calls people; the trigger's own links stay whole")
  func harmlessTogether() {
    func filled(_ template: String, _ values: [String: String]) -> String {
      MessageText.harmless(TemplateText(template) { values[$0] })
    }
    let own = "[@당직](dooray://1/members/7 \"member\")"
    for (template, values, text) in [
      ("\(own) #{subject}", ["subject": "안녕"], "\(own) 안녕"),
      ("#{subject}\(own)#{subject}", ["subject": "안녕"], "안녕\(own)안녕"),
      ("\(own)#{a}#{b}", ["a": "(DooRay:", "b": "//1/all)"], "\(own)(DooRay: //1/all)"),
      ("#{a}#{b}", ["a": "doo", "b": "ray://1"], "dooray: //1"),
      ("#{a}/1", ["a": "dooray:/"], "dooray: //1"),
      ("dooray:#{a}1", ["a": "//"], "dooray: //1"),
      ("d#{a}://1", ["a": "ooray"], "dooray: //1"),
      ("dooray:/#{a}/1", ["a": ""], "dooray://1"),
      ("#{a}", ["a": "dooray:/\u{2F}\u{338}x dooray://"], "dooray: /\u{2F}\u{338}x dooray: //"),
      ("#{a}#{nobody}", ["a": "dooray:/"], "dooray:/#{nobody}"),
    ] {
      #expect(filled(template, values).unicodeScalars.elementsEqual(text.unicodeScalars), "\(template) \(values)")
    }
  }

  @Test("a service has as many hooks as it may have, and not one more when many are added at once")
  func limit() async throws {
    let desk = try await MessengerOffice()
    let max = Int(MessengerHookStore.hooksMax)
    try await desk.office.execute(
      """
      INSERT INTO messenger_hook (service_id, display_name, sealed_url)
      SELECT 1, '채널 ' || n, '\\x01' FROM generate_series(1, \(max - 2)) AS n
      """)
    let (store, deadline) = (desk.callbacks.messengers.store, desk.office.desk.deadline)
    let added = try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<16 {
        group.addTask {
          let id = try await store.newID(deadline: deadline)
          return try await store.create(id, "채널", [1], in: ServiceID(1), deadline: deadline) != nil
        }
      }
      return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
    }
    #expect(added == 2)
    #expect(try await desk.list().count == max)
    #expect(await refusal { _ = try await desk.hook() }?.reason == .limitReached)
  }

  /// How a messenger does not take a message, and what follows.
  enum Trouble: String, CaseIterable, Sendable {
    case tooMany = "429"
    case failing = "500"
    case away = "503"
    case hangingUp = "close"
    case gone = "404"
    case refused = "400"
    case forbidden = "403"

    var isForNow: Bool { [.tooMany, .failing, .away, .hangingUp].contains(self) }
  }

  @Test(
    "what the messenger cannot take now is written later, and what it refuses is given up", arguments: Trouble.allCases)
  func trouble(_ trouble: Trouble) async throws {
    let desk = try await MessengerOffice()
    try await desk.office.trigger([.isNew], .message(try await desk.hook(), "#{ticketId}"))
    let status = Int(trouble.rawValue)
    try await desk.messenger.fail(.init(kind: status == nil ? "close" : "status", status: status ?? 0))
    let name = try await desk.ticket()
    try await desk.deliver()
    #expect(try await desk.messenger.messages(MessengerOffice.hooks[0]).isEmpty)
    try await desk.pass(.seconds(60))
    try await desk.deliver()
    let last = try await desk.office.events(name).last
    let count = try await desk.messenger.messages(MessengerOffice.hooks[0]).count
    #expect(last == (trouble.isForNow ? "MESSAGE_SENT" : "MESSAGE_FAILED") && count == (trouble.isForNow ? 1 : 0))
  }

  @Test("URLs are sealed anew under a new key, so that the old one can go")
  func newKey() async throws {
    let desk = try await MessengerOffice()
    try await desk.office.trigger([.isNew], .message(try await desk.hook(), "#{ticketId}"))
    try desk.addKey("0002")
    #expect(try await desk.upkeep().contains("handoff_assignment_seals_of_old_keys 0"))
    try desk.removeKey("0001")
    #expect(try await desk.upkeep().contains("handoff_assignment_seals_of_old_keys 0"))
    _ = try await desk.ticket()
    try await desk.deliver()
    #expect(try await desk.messenger.messages(MessengerOffice.hooks[0]).count == 1)
  }

  @Test("a hook that triggers write through is not deleted, unless they are to be deactivated with it")
  func deletion() async throws {
    let desk = try await MessengerOffice()
    let hook = try await desk.hook()
    let trigger = try await desk.office.trigger([.isNew], .message(hook, "#{ticketId}"))
    let name = try await desk.ticket()
    let error = await refusal { try await desk.delete(hook) }
    #expect(error?.reason == .inUse && error?.metadata["triggers"] == trigger.name)
    try await desk.delete(hook, deactivating: true)
    let after = try await desk.office.service.getTrigger(
      GetTriggerRequest(name: trigger.name), desk.office.call("GetTrigger", by: Desk.boss))
    #expect(!after.active && after.notice == "NAME_GONE \(hook.name)")
    #expect(
      await refusal {
        _ = try await desk.office.service.activateTrigger(
          ActivateTriggerRequest(name: trigger.name), desk.office.call("ActivateTrigger", by: Desk.boss))
      }?.violations.first?.field == "trigger.results[0].messenger.hook")
    try await desk.deliver()
    #expect(try await desk.office.events(name).last == "MESSAGE_FAILED")
    #expect(await refusal { try await desk.delete(hook) }?.reason == .resourceNotFound)
    #expect(try await desk.list().isEmpty)
  }

  @Test("hooks are for the service's administrators")
  func permissions() async throws {
    let desk = try await MessengerOffice()
    let hook = try await desk.hook()
    let service = desk.office.service
    for (agent, reason, hidden) in [
      (Desk.lee, Reason.permissionDenied, Reason.permissionDenied),
      (Desk.stranger, .serviceNotFound, .resourceNotFound),
    ] {
      let call = { desk.office.call($0, by: agent) }
      let refusals = [
        await refusal {
          _ = try await service.listMessengerHooks(.init(parent: "services/care"), call("ListMessengerHooks"))
        },
        await refusal {
          _ = try await service.createMessengerHook(.init(parent: "services/care"), call("CreateMessengerHook"))
        },
        await refusal {
          _ = try await service.updateMessengerHook(.init(messengerHook: hook), call("UpdateMessengerHook"))
        },
        await refusal {
          _ = try await service.deleteMessengerHook(.init(name: hook.name), call("DeleteMessengerHook"))
        },
      ]
      #expect(refusals.map { $0?.reason } == [reason, reason, hidden, hidden])
    }
  }
}

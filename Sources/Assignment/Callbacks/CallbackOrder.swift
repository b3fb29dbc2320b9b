import EventLoop
import HandoffAPI
import Outbound
import Postgres
import Protobuf
import TicketLedger

/// A callback that a trigger asks for: what is stored of it beside its row of the outbox.
///
/// The texts of a customer's stand in columns of their own, where masks reach them until they are sent.
struct CallbackOrder: Sendable {
  let url: HTTPSURL
  /// Without the callback's name, the event and the texts below.
  let body: CallbackBody
  let title: String
  let customer: TicketCustomer

  /// The ticket as the trigger has left it.
  init(
    _ url: HTTPSURL, of trigger: ActiveTrigger, on ticket: TicketRecord, in service: ServiceRecord, cause: TriggerCause
  ) {
    self.url = url
    var message = Ticket(ticket, in: service)
    title = message.title
    customer = message.customer ?? TicketCustomer()
    message.title = ""
    message.customer = TicketCustomer(number: customer.number)
    message.callBack = nil
    message.starred = false
    body = CallbackBody(
      trigger: trigger.name.description, triggerVersion: trigger.version,
      cause: TriggerPass.Cause(rawValue: cause.number), ticket: message)
  }

  /// The statement that stores it with the change that asks for it.
  ///
  /// - Parameter sequence: of the event CALLBACK_QUEUED.
  func insertion(sequence: Int32) throws -> Query {
    """
    INSERT INTO callback (service_id, ticket_id, event_sequence, url, body, title, customer_name, customer_email,
      customer_phone, customer_user_code)
    SELECT c.service_id, c.id, \(sequence), \(url.text), \(try body.serialized()), \(title), \(customer.displayName),
      \(customer.email), \(customer.phone), \(customer.userCode)
    FROM changed AS c
    """
  }
}

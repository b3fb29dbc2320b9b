package import Postgres

/// A database id of one kind of thing; ids of different kinds never mix.
package protocol LedgerID: RawRepresentable<Int64>, Hashable, Comparable, Sendable, CustomStringConvertible,
  PostgresBindable, PostgresDecodable, PostgresArrayDecodable
{
  /// Takes any number; whether such a thing exists is for the database to say.
  init(rawValue: Int64)
}

extension LedgerID {
  /// Takes any number.
  package init(_ rawValue: Int64) { self.init(rawValue: rawValue) }
  /// The decimal number.
  package var description: String { String(rawValue) }
  /// Orders by number, which is roughly by age.
  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// An organization: the owner of services, agents and customers.
package struct OrganizationID: LedgerID {
  /// The key in table `organization`.
  package let rawValue: Int64
  /// Takes any number; whether table `organization` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A service: a help desk of its own.
package struct ServiceID: LedgerID {
  /// The key in table `service`.
  package let rawValue: Int64
  /// Takes any number; whether table `service` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A ticket; unique over all services, its public id in decimal.
package struct TicketID: LedgerID {
  /// The key in table `ticket`.
  package let rawValue: Int64
  /// Takes any number; whether table `ticket` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// An entry of a ticket's history.
package struct EntryID: LedgerID {
  /// The key in table `ticket_entry`.
  package let rawValue: Int64
  /// Takes any number; whether table `ticket_entry` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A group of agents of a service.
package struct GroupID: LedgerID {
  /// The key in table `agent_group`.
  package let rawValue: Int64
  /// Takes any number; whether table `agent_group` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A submission type: what a ticket is about.
package struct SubmissionTypeID: LedgerID {
  /// The key in table `submission_type`.
  package let rawValue: Int64
  /// Takes any number; whether table `submission_type` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A processing type: how a ticket was handled.
package struct ProcessingTypeID: LedgerID {
  /// The key in table `processing_type`.
  package let rawValue: Int64
  /// Takes any number; whether table `processing_type` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A field that a service adds to its tickets.
package struct FieldID: LedgerID {
  /// The key in table `ticket_field`.
  package let rawValue: Int64
  /// Takes any number; whether table `ticket_field` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A template of a service.
package struct TemplateID: LedgerID {
  /// The key in table `template`.
  package let rawValue: Int64
  /// Takes any number; whether table `template` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// One act on many tickets.
package struct BatchID: LedgerID {
  /// The key in table `ticket_batch`.
  package let rawValue: Int64
  /// Takes any number; whether table `ticket_batch` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A file that was uploaded to a service.
package struct AttachmentID: LedgerID {
  /// The key in table `attachment`.
  package let rawValue: Int64
  /// Takes any number; whether table `attachment` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A customer's unique number in the organization.
package struct CustomerID: LedgerID {
  /// The key in table `customer`.
  package let rawValue: Int64
  /// Takes any number; whether table `customer` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A mask over a span of a ticket's texts.
package struct MaskID: LedgerID {
  /// The key in table `mask_place`, with the number of the place.
  package let rawValue: Int64
  /// Takes any number; whether table `mask_place` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A trigger of a service.
package struct TriggerID: LedgerID {
  /// The key in table `trigger_rule`.
  package let rawValue: Int64
  /// Takes any number; whether table `trigger_rule` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A hook of a messenger channel that a service's triggers write through.
package struct MessengerHookID: LedgerID {
  /// The key in table `messenger_hook`.
  package let rawValue: Int64
  /// Takes any number; whether table `messenger_hook` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// An organization at Dooray! that a service works with.
package struct DoorayOrganizationID: LedgerID {
  /// The key in table `dooray_organization`.
  package let rawValue: Int64
  /// Takes any number; whether table `dooray_organization` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A project at Dooray! that a service escalates to.
package struct DoorayProjectID: LedgerID {
  /// The key in table `dooray_project`.
  package let rawValue: Int64
  /// Takes any number; whether table `dooray_project` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A task at Dooray! that a ticket was escalated to.
package struct DoorayTaskID: LedgerID {
  /// The key in table `dooray_task`.
  package let rawValue: Int64
  /// Takes any number; whether table `dooray_task` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A comment on a task at Dooray!.
package struct DoorayCommentID: LedgerID {
  /// The key in table `dooray_comment`.
  package let rawValue: Int64
  /// Takes any number; whether table `dooray_comment` has it is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

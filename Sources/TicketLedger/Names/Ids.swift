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
  package let rawValue: Int64
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A service: a help desk of its own.
package struct ServiceID: LedgerID {
  package let rawValue: Int64
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A ticket; unique over all services, its public id in decimal.
package struct TicketID: LedgerID {
  package let rawValue: Int64
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// An entry of a ticket's history.
package struct EntryID: LedgerID {
  package let rawValue: Int64
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A group of agents of a service.
package struct GroupID: LedgerID {
  package let rawValue: Int64
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A submission type: what a ticket is about.
package struct SubmissionTypeID: LedgerID {
  package let rawValue: Int64
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A processing type: how a ticket was handled.
package struct ProcessingTypeID: LedgerID {
  package let rawValue: Int64
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A customer's unique number in the organization.
package struct CustomerID: LedgerID {
  package let rawValue: Int64
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A mask over a span of a ticket's texts.
package struct MaskID: LedgerID {
  package let rawValue: Int64
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A trigger of a service.
package struct TriggerID: LedgerID {
  package let rawValue: Int64
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

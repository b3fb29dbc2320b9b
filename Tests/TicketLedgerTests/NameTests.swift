import ServiceKit
import Testing
import TicketLedger

@Suite struct NameTests {
  @Test(
    "a ticket's name is read strictly",
    arguments: [
      ("services/care/tickets/1064", true), ("services/care/tickets/9223372036854775807", true),
      ("services/care/tickets/9223372036854775808", false), ("services/care/tickets/0", false),
      ("services/care/tickets/01", false), ("services/care/tickets/-1", false), ("services/care/tickets/1/", false),
      ("services/care/tickets/", false), ("services/Care/tickets/1", false), ("services/c/tickets/1", false),
      ("/services/care/tickets/1", false), ("services/care/tickets/١", false), ("", false),
      ("services//tickets/1", false), ("services/care/tickets/1\n", false),
    ])
  func ticketNames(_ text: String, _ isName: Bool) {
    let name = TicketName(text)
    #expect((name != nil) == isName)
    #expect(name.map(\.description) ?? text == text)
  }

  @Test("every name is written back as it was read")
  func roundTrips() {
    #expect(OrganizationName("organizations/aram-market")?.description == "organizations/aram-market")
    #expect(OrganizationName("organizations/-")?.code == nil && OrganizationName("organizations/-a") == nil)
    #expect(OrganizationName("organizations/") == nil && OrganizationName("organizations/a/") == nil)
    #expect(ServiceName("services/care")?.description == "services/care")
    #expect(EntryName("services/care/tickets/1/entries/2")?.description == "services/care/tickets/1/entries/2")
    #expect(MaskName("services/care/tickets/1/masks/2")?.description == "services/care/tickets/1/masks/2")
    #expect(GroupName("services/care/groups/2")?.description == "services/care/groups/2")
    #expect(AgentName("agents/2")?.description == "agents/2")
    #expect(SubmissionTypeName("services/care/submissionTypes/2")?.description == "services/care/submissionTypes/2")
    #expect(ProcessingTypeName("services/care/processingTypes/2")?.description == "services/care/processingTypes/2")
    #expect(TriggerName("services/care/triggers/2")?.description == "services/care/triggers/2")
    #expect(MailLayoutName("services/care/mailLayouts/2")?.description == "services/care/mailLayouts/2")
    #expect(MailMessageName("services/care/mailMessages/2")?.description == "services/care/mailMessages/2")
    #expect(
      SystemFieldName("services/care/systemFields/customer_name")?.description
        == "services/care/systemFields/customer_name")
    #expect(SystemFieldName("services/care/systemFields/1") == nil)
    #expect(
      CustomerAddressName("services/care/tickets/2/customerAddress")?.description
        == "services/care/tickets/2/customerAddress")
    #expect(CustomerAddressName("services/care/tickets/2/customerAddress/") == nil)
    #expect(CustomerAddressName("services/care/customerAddress") == nil)
    #expect(DooraySettingsName("services/care/dooraySettings")?.description == "services/care/dooraySettings")
    let organization = "services/care/doorayOrganizations/2"
    #expect(DoorayOrganizationName(organization)?.description == organization)
    #expect(DoorayUserKeyName(organization + "/userKeys/3")?.description == organization + "/userKeys/3")
    #expect(DoorayProjectName("services/care/doorayProjects/2")?.description == "services/care/doorayProjects/2")
    let task = "services/care/tickets/2/doorayTasks/3"
    #expect(DoorayTaskName(task)?.description == task)
    let comment = "services/care/tickets/2/doorayComments/3"
    #expect(DoorayCommentName(comment)?.description == comment)
    let hook = "services/care/doorayHooks/0123456789abcdef0123456789abcdef"
    #expect(DoorayHookName(hook)?.description == hook)
    #expect(DoorayHookName(hook + "0") == nil && DoorayHookName(String(hook.dropLast())) == nil)
    #expect(GroupName("services/care/tickets/2") == nil)
  }

  @Test("a wrong name is told by its field and form")
  func errors() throws {
    let error = #expect(throws: ServiceError.self) { try TicketName("tickets/1", field: "name") }
    #expect(error?.reason == .requestInvalid)
    #expect(error?.violations == [FieldViolation("name", "is not of the form services/{service}/tickets/{id}")])
    #expect(try GroupName.optional("", field: "group") == nil)
  }

  @Test("event changes are read exactly as they were written")
  func codeChanges() {
    let changes = [CodeChange("state", "UNASSIGNED", "PROCESSING"), CodeChange("agent", "", "7")]
    let text = CodeChange.encode(changes)
    #expect(
      text
        == #"[{"field":"state","before":"UNASSIGNED","after":"PROCESSING"},{"field":"agent","before":"","after":"7"}]"#)
    #expect(CodeChange.decode(text) == changes)
    #expect(CodeChange.decode("[]") == [])
    for wrong in ["", "[", "[]x", text + " ", String(text.dropLast()) + ",]", #"[{"field":"a"}]"#] {
      #expect(CodeChange.decode(wrong) == nil)
    }
    #expect(!CodeChange.isCode("hello there") && !CodeChange.isCode("한") && !CodeChange.isCode(#"a"b"#))
    #expect(CodeChange.isCode("<abc.7@mail.example.com>"))
  }

  @Test("pauses double up to the longest, and end")
  func backoff() {
    let backoff = Backoff(firstMilliseconds: 1000, longestMilliseconds: 10_000, attemptsMax: 6)
    #expect((1...6).map { backoff.wait(afterAttempt: $0, jitter: 1) } == [1000, 2000, 4000, 8000, 10_000, nil])
    #expect(backoff.wait(afterAttempt: 1, jitter: 0) == 500)
    #expect(Backoff(attemptsMax: .max).wait(afterAttempt: 1_000_000, jitter: 1) == 3_600_000)
  }
}

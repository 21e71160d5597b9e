import IntegrationStore

/// What became of a report in the store.
///
/// The schema's message has the same name, and the store's module cannot be named in front of it,
/// because its protocol is called like the module.
typealias StoreReportOutcome = ReportOutcome

import IntegrationAPI
import RPCWire

// The types of other modules that an author meets, so that `import IntegrationAgent` is enough.
// (The schema also has a message named Agent; a file that imports both modules writes
// IntegrationAgent.Agent.)

/// The business record that an action works on: its type, id and display name.
public typealias Entity = IntegrationAPI.Entity
/// How an attempt came to be.
public typealias Trigger = IntegrationAPI.Trigger
/// A capability that an integration declares.
public typealias ActionDefinition = IntegrationAPI.ActionDefinition
/// When and how often an action's failures are tried again.
public typealias RetryPolicy = IntegrationAPI.RetryPolicy
/// Where a server listens: `unix:PATH` or `tcp:HOST:PORT`.
public typealias ServerAddress = RPCWire.ListenAddress

import IntegrationAPI
import RPCServer
import RPCWire

extension IntegrationService {
  /// Shows a key that is stored sealed; each showing is audited.
  public func revealKey(
    _ request: RevealKeyRequestView, _ call: ServerCall<RevealKeyResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// A new key, while the old ones last a little longer; agents are told.
  public func rotateKey(
    _ request: RotateKeyRequestView, _ call: ServerCall<RotateKeyResponse>
  ) {
    call.fail(.notBuilt)
  }
}

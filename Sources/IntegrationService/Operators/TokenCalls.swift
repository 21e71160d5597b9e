import IntegrationAPI
import RPCServer
import RPCWire

extension IntegrationService {
  /// Makes a token for an operator.
  public func createToken(
    _ request: CreateTokenRequestView, _ call: ServerCall<CreateTokenResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Tokens without their secrets.
  public func listTokens(
    _ request: ListTokensRequestView, _ call: ServerCall<ListTokensResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Ends a token at once, also on connections that are open.
  public func revokeToken(
    _ request: RevokeTokenRequestView, _ call: ServerCall<RevokeTokenResponse>
  ) {
    call.fail(.notBuilt)
  }
}

//! Keys of the attributes, as the [attribute registry] of the semantic conventions 1.44 names them.
//!
//! A dashboard or a sampling rule finds a value by its key alone, so a key that is spelled differently is a value that
//! nobody finds. Which span and which metric has which of them is in the tables of the [crate's documentation](crate).
//!
//! [attribute registry]: https://opentelemetry.io/docs/specs/semconv/registry/attributes/

/// Address of the client that made the request. Registry: *Client*.
pub(crate) const CLIENT_ADDRESS: &str = "client.address";
/// Class of the error that the operation ended with. It is set only if there was one. Registry: *Error*.
pub(crate) const ERROR_TYPE: &str = "error.type";
/// Method of the request: one of the known methods, or `_OTHER`. Registry: *HTTP*.
pub(crate) const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// Method as the client sent it, if it is not a known one. Registry: *HTTP*.
pub(crate) const HTTP_REQUEST_METHOD_ORIGINAL: &str = "http.request.method_original";
/// Status code of the response. Registry: *HTTP*.
pub(crate) const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// Path template that the framework matched, such as `/users/{id}`. Registry: *HTTP*.
pub(crate) const HTTP_ROUTE: &str = "http.route";
/// IP address of the other end of the connection, which may be a proxy. Registry: *Network*.
pub(crate) const NETWORK_PEER_ADDRESS: &str = "network.peer.address";
/// Port of the other end of the connection. Registry: *Network*.
pub(crate) const NETWORK_PEER_PORT: &str = "network.peer.port";
/// Version of HTTP: `1.1`, `2`. Registry: *Network*.
pub(crate) const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
/// Name or address of the server, as the client names it. Registry: *Server*.
pub(crate) const SERVER_ADDRESS: &str = "server.address";
/// Port of the server, as the client names it. Registry: *Server*.
pub(crate) const SERVER_PORT: &str = "server.port";
/// Absolute URL of a client's request, redacted. Registry: *URL*.
pub(crate) const URL_FULL: &str = "url.full";
/// Path of the request, without the query. Registry: *URL*.
pub(crate) const URL_PATH: &str = "url.path";
/// Query of the request, redacted. Registry: *URL*.
pub(crate) const URL_QUERY: &str = "url.query";
/// `http` or `https`. Registry: *URL*.
pub(crate) const URL_SCHEME: &str = "url.scheme";
/// Value of the header `User-Agent`. Registry: *User-agent*.
pub(crate) const USER_AGENT_ORIGINAL: &str = "user_agent.original";

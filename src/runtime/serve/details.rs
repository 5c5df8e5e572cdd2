//! google.rpc.Status details as JSON, for endpoints that show them.
pub fn as_json(_: &[u8]) -> Vec<serde_json::Value> {
    Vec::new()
}

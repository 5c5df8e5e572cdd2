//! The protobuf wire format: reading and writing tags, varints and lengths, and finding one field in a message.

//! Descriptors from a running server: gRPC server reflection, v1 first, v1alpha where the server says UNIMPLEMENTED.

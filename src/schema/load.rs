//! Descriptors from files: `.proto` trees (import root = the directory) and descriptor sets (`*.binpb`, `*.pb`, `*.protoset`).

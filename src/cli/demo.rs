//! `weft demo`: real backends on loopback and the gateway in front of them.

mod catalogue;
mod server;
mod shop;

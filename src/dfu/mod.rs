//! The host side of DfuSe without I/O: requests, states, layout strings, option-byte views, FUS over DFU. Pure.

pub mod alter_scope;
pub mod command;
pub mod descriptors;
pub mod download;
pub mod layout;
pub mod operation;
pub mod request;
pub mod state;
pub mod upload;
pub mod whitelist;

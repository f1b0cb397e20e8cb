//! The host side of DfuSe without I/O: requests, states, layout strings, option-byte views, FUS over DFU. Pure.

pub mod request;
